"""The text example: a small transformer encoder learns the category of a product from its description."""
