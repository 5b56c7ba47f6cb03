"""What may happen to the log: what it holds, and how many partitions it has."""

from typing import Final

from tests.simulation.durations import some_seconds
from tests.simulation.processes import Process
from tests.simulation.world import World

MOST_PARTITIONS: Final = 4


def retention(world: World, _caller: Process) -> str | None:
    number = _some_partition(world)
    if number is None:
        return None
    log = world.broker.topic.partitions[number]
    log.beginning = world.chance.randint(log.beginning, log.stable_end)
    world.is_log_whole = False
    return f"retention moves the beginning of {number} to {log.beginning}"


def truncation(world: World, _caller: Process) -> str | None:
    """Lose the log's newest records, as an unclean election does.

    Nothing is published there until the end: reused offsets can't be distinguished without leader epochs
    (KIP-320), which aiokafka does not speak.
    """
    number = _some_partition(world)
    if number is None:
        return None
    log = world.broker.topic.partitions[number]
    world.broker.end_transaction(number, committed=False)
    end = world.chance.randint(log.beginning, log.end)
    del log.entries[end:]
    world.blocked.add(number)
    world.oracle.accounts.forget_letters(number, end)
    world.is_log_whole = False
    return f"{number} is truncated to {end}"


def recreation(world: World, _caller: Process) -> str | None:
    """Delete the topic, and make another of its name a while later."""
    if world.broker.is_topic_gone:
        return None
    world.broker.delete()
    world.oracle.accounts.forget_all_letters()
    world.blocked.clear()
    world.is_log_whole = False
    seconds, partitions = 0.05 + world.chance.random() ** 2 * 3, world.chance.randint(1, 3)
    world.loop.later(seconds, lambda: world.broker.create(partitions))
    return f"the topic is gone for {seconds:.1f} s, then there are {partitions} partitions"


def one_more_partition(world: World, _caller: Process) -> str | None:
    if world.broker.is_topic_gone or len(world.broker.numbers()) >= MOST_PARTITIONS:
        return None
    partitions = world.broker.add_partition()
    world.publish(partitions - 1)
    return f"there are {partitions} partitions"


def damage(world: World, _caller: Process) -> str | None:
    """Damage a record that comes together with good ones of other partitions; it is repaired later."""
    number = _some_partition(world)
    if number is None:
        return None
    for other in world.broker.numbers():
        world.publish(other)
    log = world.broker.topic.partitions[number]
    if log.end == log.beginning:
        return None
    offset = max(log.beginning, log.end - world.chance.randint(1, 5))
    entry = log.entries[offset]
    entry.is_damaged = True
    world.loop.later(some_seconds(world.chance), lambda: setattr(entry, "is_damaged", False))
    return f"{number} is damaged at {offset}"


def transaction(world: World, _caller: Process) -> str | None:
    """Leave a producer's transaction open for a while."""
    number = _some_partition(world)
    if number is None:
        return None
    log = world.broker.topic.partitions[number]
    if log.transaction_start is not None or number in world.blocked:
        return None
    world.publish(number, in_transaction=True)
    committed = world.chance.random() < 0.7
    topic = world.broker.topic
    world.loop.later(
        some_seconds(world.chance), lambda: world.end_transaction(topic, number, committed=committed)
    )
    return f"a transaction is open in {number}"


def _some_partition(world: World) -> int | None:
    numbers = world.broker.numbers()
    return world.chance.choice(numbers) if numbers else None
