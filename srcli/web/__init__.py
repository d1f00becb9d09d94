"""A page for people who do not type commands."""
