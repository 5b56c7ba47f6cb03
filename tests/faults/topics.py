"""What an operator, or a broken disk, may do to the topic of a plant."""

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.errors import KafkaError

from headcount.preflight.connections import admin_client, create_topics
from ingest.batch import Partition
from tests.faults.activity import Draft
from tests.faults.load import Load
from tests.faults.oracle import read_log
from tests.faults.plant import Plant
from tests.support.waiting import wait_until


async def remember(plant: Plant) -> None:
    """Keep what the topic holds, for the oracle: it is counted, and about to be lost."""
    log = await read_log(plant.config(), plant.topic)
    for partition, records in log.items():
        plant.gone[partition.number] += records


async def publish(plant: Plant, drafts: Iterable[Draft], *, partition: int | None = None) -> None:
    """Publish records one by one, each in a batch of its own, while the load rests."""
    load = Load(plant.config(), small=["none"], big="none", seed=0, records_a_tick=0)
    await load.start()
    try:
        for draft in drafts:
            await load.publish(draft, partition=partition)
    finally:
        await load.stop()


async def add_partitions(plant: Plant, total: int) -> None:
    async with admin_client(plant.config()) as admin:
        await admin.create_partitions({plant.topic: NewPartitions(total)})


async def recreate(plant: Plant) -> None:
    """Delete the topic, and make it again under the same name."""
    async with admin_client(plant.config()) as admin:
        await admin.delete_topics([plant.topic])
    await wait_until(lambda: _is_made(plant), message="the topic was made again")


async def delete_records(plant: Plant, partition: Partition, *, before: int) -> None:
    """Remove the oldest records, as retention does."""
    async with admin_client(plant.config()) as admin:
        await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before)})


async def _is_made(plant: Plant) -> bool:
    async with admin_client(plant.config()) as admin:
        try:
            topics = await admin.list_topics()
        except KafkaError:
            return False
    if plant.topic in topics:
        return False
    await create_topics(plant.config())
    return True


def cut_segment(plant: Plant, *, partition: int) -> None:
    """Cut the last third off a partition's log, as a crash does whose writes had not reached the disk.

    Kafka must be down. It then finds the end of the log anew, since no clean end of it is recorded.
    """
    data = plant.kafka.data_folder
    folder = data / f"{plant.topic}-{partition}"
    segment = folder / f"{0:020}.log"
    with segment.open("rb+") as file:
        file.truncate(segment.stat().st_size * 2 // 3)
    for pattern in ("*index", "*.snapshot", "leader-epoch-checkpoint"):
        for path in folder.glob(pattern):
            path.unlink()
    for name in (".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        (data / name).unlink(missing_ok=True)
