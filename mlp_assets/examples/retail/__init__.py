"""The worked example: a year of grocery sales, two models, two endpoints, two monitors."""
