"""Real Kafka brokers (KRaft, each broker and controller in one process) on this machine."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jobstream_local import packages
from jobstream_local.part import Part
from jobstream_local.ports import LOOPBACK, is_open

_CLUSTER_ID: Final = "am9ic3RyZWFtLWxvY2FsMA"
"""Fixed (16 bytes in base64): data and configuration of one home always belong together."""

_LOG4J: Final = """\
status = warn
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = OUT
logger.kafka.name = kafka.server.KafkaRaftServer
logger.kafka.level = info
"""


class Kafka(Part):
    """One broker.

    Parameters
    ----------
    node
        Its number, from 1.
    port
        What it listens on.
    voters
        Controller port of each node of the cluster, by number; itself included.
    advertised
        The port clients are told, when something stands before it (a TCP proxy of a test).
    properties
        Broker settings on top of ours.
    heap
        Java heap in MiB.
    """

    def __init__(
        self,
        *,
        home: Path,
        node: int,
        port: int,
        voters: Mapping[int, int],
        name: str = "kafka",
        advertised: int | None = None,
        properties: Mapping[str, str] | None = None,
        heap: int = 256,
    ) -> None:
        super().__init__(
            name,
            kind="kafka",
            home=home,
            ports={"kafka": port, "controller": voters[node]},
            # Brokers that all end at once wait in vain for a controller to take their partitions.
            grace=15 if len(voters) == 1 else 3,
        )
        self._node = node
        self._voters = dict(voters)
        self._advertised = advertised or port
        self._home = home
        self._folder = home / name
        # Relative to the home, where it runs: a comma in a path would make two of it, and Java reads properties as
        # Latin-1.
        self._inside = Path(name)
        self._extra = dict(properties or {})
        self._heap = heap

    @property
    def address(self) -> str:
        """What clients start from."""
        return f"{LOOPBACK}:{self._advertised}"

    def properties(self) -> dict[str, str]:
        """The broker's settings."""
        copies = str(min(3, len(self._voters)))
        safe = str(min(2, len(self._voters)))
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._node),
            "controller.quorum.voters": ",".join(
                f"{n}@{LOOPBACK}:{p}" for n, p in sorted(self._voters.items())
            ),
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self.ports['kafka']},CONTROLLER://{LOOPBACK}:{self._voters[self._node]}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self._advertised}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._inside / "data"),
            # Topics are made by the set-up step; one that springs up by a typing error hides it.
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": safe,
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": safe,
            "default.replication.factor": copies,
            "min.insync.replicas": safe,
            # One member more or less is the normal case here, not a fleet that starts: no waiting for others.
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A killed broker may come back only when the session of its former life has ended (9 s by default).
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": "4194304",
            "num.recovery.threads.per.data.dir": "2",
            "log.retention.check.interval.ms": "60000",
            **self._extra,
        }

    def _jvm(self) -> list[str]:
        return [
            str(packages.java()),
            f"-Xmx{self._heap}m",
            "-Xms128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self._inside / 'log4j2.properties'}",
            *("-cp", f"{packages.kafka_libs()}/*"),
        ]

    def prepare(self) -> None:
        """Write the settings; give a new data folder its format."""
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        config = self._folder / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in self.properties().items()))
        (self._folder / "log4j2.properties").write_text(_LOG4J)
        if (data / "meta.properties").exists():
            return
        # What `format` writes depends on the node's number and Kafka's version alone: kept, it saves a JVM's start.
        template = packages.cache() / f"kafka-format-{packages.KAFKA_VERSION}-{self._node}"
        if not template.is_dir():
            command = [
                *self._jvm(),
                "kafka.tools.StorageTool",
                "format",
                "-t",
                _CLUSTER_ID,
                "-c",
                str(self._inside / config.name),
            ]
            done = subprocess.run(
                command,
                cwd=self._home,
                env=dict(self.environ()),
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                msg = f"Kafka could not format {data}: {done.stdout}{done.stderr}"
                raise packages.PackageError(msg)
            part = template.with_name(f"{template.name}.{os.getpid()}")
            shutil.copytree(data, part)
            try:
                part.rename(template)
            except OSError:  # another process was first
                shutil.rmtree(part)
            return
        for file in sorted(template.iterdir(), key=lambda f: f.name == "meta.properties"):
            shutil.copy(file, data / file.name)

    def command(self) -> Sequence[str]:
        """The JVM with our settings."""
        return [*self._jvm(), "kafka.Kafka", str(self._inside / "server.properties")]

    def environ(self) -> Mapping[str, str]:
        """Nothing Kafka's own variables could change; a locale in which Java finds any path."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA", "JAVA_", "JDK_", "LC_"))}
        return {**kept, "LC_ALL": "C.UTF-8"}

    async def ready(self) -> bool:
        """Its port opens when it has joined its cluster."""
        return is_open(self.ports["kafka"])
