"""The verification: how far the answers are from an exact recount of the log."""
