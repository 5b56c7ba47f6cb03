"""Authentication and admission: tokens, login throttling and the client's address."""
