"""What the real thing is held to, held on the simulator's fake Kafka's dead letters."""

from tests.suites.test_dead_letters import *  # noqa: F403 - every test there is, on the fixtures of this folder
