"""The endpoints, one package each."""
