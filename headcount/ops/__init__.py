"""Operator commands: what each does, apart from the command line."""
