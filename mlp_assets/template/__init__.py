"""The project my_project: `project.py` has its specs, `README.md` says what else is here."""
