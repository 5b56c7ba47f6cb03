"""The event: its schema, its CloudEvents form, and the decoding of records."""
