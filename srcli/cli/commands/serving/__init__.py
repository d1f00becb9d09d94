"""Commands that answer others: the page and the server."""
