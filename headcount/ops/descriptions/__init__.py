"""Machine-readable descriptions of the topics, generated from the types that decode and encode records."""
