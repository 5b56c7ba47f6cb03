"""What the real thing is held to, held on the simulator's fake Kafka's log."""

from tests.suites.test_source import *  # noqa: F403 - every test there is, on the fixtures of this folder
