"""What the API answers, told to machines: an OpenAPI 3.1 document, built from what answers."""
