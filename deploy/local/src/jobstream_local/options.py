"""What `make up` can be told: settings of the launcher itself, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobstream_local.stack import Ports, Replicas


class OptionError(ValueError):
    """A setting has no usable value; the message names it."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of `make up`; every other variable goes through to the services."""

    home: Path
    ports: Ports
    replicas: Replicas
    bootstrap_servers: str | None
    mongo_uri: str | None
    detach: bool

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> "Options":
        """Read them.

        Raises
        ------
        OptionError
            A port or a count is not a number that makes sense.
        """

        def number(name: str, default: int, most: int) -> int:
            text = env.get(name) or str(default)
            if not text.isdecimal() or int(text) > most:
                msg = f"{name}={text}: a whole number from 0 to {most} was expected"
                raise OptionError(msg)
            return int(text)

        ports, replicas = Ports(), Replicas()
        return cls(
            home=Path(env.get("JOBSTREAM_HOME") or ".local"),
            ports=Ports(
                api=number("API_PORT", ports.api, 65_535),
                web=number("WEB_PORT", ports.web, 65_535),
                kafka=number("KAFKA_PORT", ports.kafka, 65_535),
                mongo=number("MONGO_PORT", ports.mongo, 65_535),
            ),
            replicas=Replicas(
                api=number("API_REPLICAS", replicas.api, 16),
                job_worker=number("JOB_WORKERS", replicas.job_worker, 64),
                result_worker=number("RESULT_WORKERS", replicas.result_worker, 64),
                dlq_worker=number("DLQ_WORKERS", replicas.dlq_worker, 64),
            ),
            bootstrap_servers=env.get("KAFKA__BOOTSTRAP_SERVERS") or None,
            mongo_uri=env.get("MONGO__URI") or None,
            detach=env.get("DETACH", "") not in {"", "0", "no", "false"},
        )
