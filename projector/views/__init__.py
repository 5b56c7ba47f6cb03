"""The read side: counts of one workspace over days."""
