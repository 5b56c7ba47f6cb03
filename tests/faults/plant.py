"""The plant: a Kafka, a Redis behind a proxy, workers and the API, all real processes and all breakable."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from aiokafka.errors import GroupCoordinatorNotAvailableError
from redis.asyncio import Redis

from api.auth.authentication import VIEW_ENGAGEMENT_DASHBOARD
from api.auth.tokens import Token, mint
from api.store.tokens import RedisTokenStore
from embedded import EmbeddedKafka, EmbeddedValkey
from headcount.preflight.connections import admin_client, create_topics
from headcount.wiring import Config, load_config, utc_now
from ingest.batch import Partition
from ingest.events.decoding import RecordDecoder
from tests.faults.processes import Process
from tests.faults.proxy import Proxy
from tests.support.people import KEY

USER: Final = "operator"
WORKERS: Final = 2


class Plant:
    """Everything of one deployment, in `home`. `redis_proxy` is the only way from it to Redis."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.kafka = EmbeddedKafka(home=home, heap_megabytes=384)
        self.valkey = EmbeddedValkey(home=home)
        self.yardstick = EmbeddedValkey(home=home / "yardstick", options={"appendonly": "no"})
        """Another Redis, for the clean projection that counters are held against."""
        self.redis_proxy: Proxy
        self.workers: list[Process] = []
        self.api: Process
        self.api_url: str
        self.topic = ""
        self.gone: defaultdict[int, list[Any]] = defaultdict(list)
        """Records that were counted and that a partition has lost since: a fault's to fill."""
        self.forgotten: set[str] = set()
        """Who is not to be counted, as `workspace_id:pseudonym`: a fault's to fill."""
        self._secrets: dict[str, tuple[Token, str]] = {}
        self._spare: list[EmbeddedValkey] = []
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        """Start everything on a topic of its own."""
        self.home.mkdir(parents=True, exist_ok=True)
        await asyncio.gather(self.kafka.start(), self.valkey.start(), self.yardstick.start())
        self.redis_proxy = Proxy(self.valkey.port)
        await self.redis_proxy.start()
        await self._open()

    async def renew(self) -> None:
        """Begin anew with another topic and an empty Redis, on the servers that there are."""
        for process in self.processes:
            process.kill()
        await self.flush()
        self.gone.clear()
        self.forgotten.clear()
        await self._open()

    async def close(self) -> None:
        """End everything at once."""
        for process in self.processes:
            process.kill()
        await self.redis_proxy.stop()
        for server in (self.kafka, self.valkey, self.yardstick, *self._spare):
            server.kill()

    @property
    def processes(self) -> list[Process]:
        """The workers, and the API where it was started."""
        return [*self.workers, *([self.api] if hasattr(self, "api") else [])]

    def config(self, **environment: str) -> Config:
        """Return the settings of the plant's own processes, some of them as given instead."""
        return load_config(self.environment(**environment))

    def environment(self, **changed: str) -> dict[str, str]:
        """Return the environment of the plant's own processes, with some of it as given instead."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC": self.topic,
            "KAFKA_GROUP_ID": self.topic,
            "USER_ID_HASH_KEY": KEY,
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_proxy.port}/0",
            "HTTP_PORT": "0",
            "WORKER_METRICS_PORT": "0",
            "API_METRICS_PORT": "0",
            "HTTP_REQUESTS_PER_MINUTE": "1000000",  # the watcher never stops asking, and is counted
            "LOG_FORMAT": "json",
            "HEADCOUNT_HOME": str(self.home / "headcount"),
            **changed,
        }

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """Open a client that reaches Redis beside the proxy."""
        async with Redis.from_url(self.valkey.url) as client:
            yield client

    async def flush(self) -> None:
        """Have Redis lose everything: of what the log has lost too, only the dead letters are left."""
        async with self.redis() as redis:
            await redis.flushall()
        decoder = RecordDecoder(max_event_bytes=self.config().counting.max_event_bytes)
        for number, records in self.gone.items():
            letters = decoder.decode(Partition(self.topic, number), records, utc_now()).letters
            self.gone[number] = [letter.record for letter in letters]

    async def add_redis(self) -> EmbeddedValkey:
        """Start one more Redis, for the plant to fail over to; it ends with the plant."""
        valkey = EmbeddedValkey(home=self.home / f"redis-{next(self._numbers)}")
        self._spare.append(valkey)
        await valkey.start()
        return valkey

    async def fail_over(self, to: EmbeddedValkey) -> None:
        """Lose the Redis in use, and lead everyone to another one."""
        self.valkey.kill()
        self.valkey = to
        await self.redis_proxy.switch(to.port)

    async def members(self) -> tuple[str, int]:
        """Ask Kafka for the state of the consumer group, and for the number of its members."""
        async with admin_client(self.config()) as admin:
            try:
                (response,) = await admin.describe_consumer_groups([self.topic])
            except GroupCoordinatorNotAvailableError:  # just started: it makes the topic for groups first
                return "Unknown", 0
        _error, _name, state, _type, _protocol, members, *_ = response.groups[0]
        return state, len(members)

    def memory(self) -> int:
        """Sum up the bytes of memory that the workers hold."""
        return sum(worker.memory() for worker in self.workers)

    def process(self, command: str, *, module: str = "headcount", **environment: str) -> Process:
        """Make a process of the plant's that is not started yet; another `module` may stand in for ours."""
        log_path = self.home / f"{command}-{next(self._numbers)}.log"
        return Process(command, self.environment(**environment), log_path, module=module)

    def add_worker(self) -> Process:
        """Start one more worker; `workers` holds it from now on."""
        worker = self.process("worker")
        worker.start()
        self.workers.append(worker)
        return worker

    async def start_api(self) -> None:
        """Start the API; `api_url` tells where it listens."""
        self.api = self.process("api")
        self.api.start()
        self.api_url = (await self.api.logged("listening"))["url"]

    async def admit(self, workspaces: Iterable[str]) -> None:
        """Make a token for each workspace, and put it into Redis."""
        for workspace in workspaces:
            self._secrets[workspace] = mint(
                workspace_id=workspace,
                user_id=USER,
                permissions=[VIEW_ENGAGEMENT_DASHBOARD],
                created_at=utc_now(),
            )
        await self.keep_tokens()

    async def keep_tokens(self) -> None:
        """Put every token into Redis again: the same records, after they were lost."""
        # At once: as soon as Redis holds a token, one that it does not hold is unknown for certain.
        async with self.redis() as redis, redis.pipeline(transaction=True) as pipeline:
            store = RedisTokenStore(pipeline)
            for token, _ in self._secrets.values():
                await store.add(token)
            await pipeline.execute()

    def credentials(self, workspace: str) -> dict[str, str]:
        """Return the headers by which the workspace's numbers may be read."""
        return {"x-user-id": USER, "x-auth-token": self._secrets[workspace][1]}

    async def _open(self) -> None:
        self.topic = f"activity-{uuid4().hex[:8]}"
        self.workers = []
        self._secrets = {}
        await create_topics(self.config())
        for _ in range(WORKERS):
            self.add_worker()
        await self.start_api()


class Plants:
    """The plant that several faults share, until it is discarded. `new_home` makes a folder for the next."""

    def __init__(self, new_home: Callable[[], Path]) -> None:
        self._new_home = new_home
        self._plant: Plant | None = None

    async def get(self) -> Plant:
        """Return the plant, having started one where there is none."""
        if self._plant is None:
            self._plant = Plant(self._new_home())
            await self._plant.start()
        return self._plant

    async def discard(self) -> None:
        """End the plant: the next one asked for is a new one."""
        if self._plant is not None:
            plant, self._plant = self._plant, None
            await plant.close()
