"""What the worker is held against: scripts, run one by one in an environment of their own, `.venv-peers`."""
