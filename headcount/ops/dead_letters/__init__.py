"""The dead letters: what they say, what became of them, and how they are counted after all."""
