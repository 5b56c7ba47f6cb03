"""What the real thing is held to, held on the simulator's fake Redis."""

from tests.suites.test_projection import *  # noqa: F403 - every test there is, on the fixtures of this folder
