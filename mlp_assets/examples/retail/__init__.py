"""The worked example: a year of a grocery's sales, two models, two live endpoints, two monitors."""
