"""a bakery that takes orders."""
