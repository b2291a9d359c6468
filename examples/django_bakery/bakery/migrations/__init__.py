"""Of the bakery."""
