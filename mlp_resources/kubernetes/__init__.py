"""Trainings as Jobs of a Kubernetes cluster."""
