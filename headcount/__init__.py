"""The composition root: command line, settings, embedded servers and the replay of recorded activity."""
