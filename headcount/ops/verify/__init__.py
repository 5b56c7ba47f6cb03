"""The verification: compares the API's answers with an exact recount of the log."""
