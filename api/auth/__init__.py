"""Authentication: tokens, login throttling and the client's address."""
