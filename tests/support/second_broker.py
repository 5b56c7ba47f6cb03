"""A second broker, for what one broker cannot show: a partition whose leader is down while others are led."""

from pathlib import Path

from embedded import EmbeddedKafka
from embedded.ports import find_free_port


class SecondBroker(EmbeddedKafka):
    """A broker with the id 2 that joins the cluster of an embedded Kafka, which must run by then."""

    def __init__(self, first: EmbeddedKafka, *, home: Path) -> None:
        port = find_free_port()
        settings = {
            "node.id": "2",
            "process.roles": "broker",
            "listeners": f"CLIENT://127.0.0.1:{port}",
            "controller.quorum.voters": f"1@{first.address_of('CONTROLLER')}",
        }
        super().__init__(home=home, port=port, settings=settings, heap_megabytes=256)
        self._first = first

    def _cluster_id(self) -> str:
        properties = (self._first.data_folder / "meta.properties").read_text().splitlines()
        (cluster_id,) = (line.partition("=")[2] for line in properties if line.startswith("cluster.id="))
        return cluster_id
