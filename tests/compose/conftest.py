"""Images are built once; the plain stack serves all modules that do not need one of their own.

Docker with compose is needed. Where it is missing, `CONTAINER_LAB` may name a folder whose `up` installs it.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.containers import Containers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(600))


def _has_docker() -> bool:
    try:
        asked = ["docker", "compose", "version"], ["docker", "info"]
        return all(subprocess.run(a, capture_output=True, check=False).returncode == 0 for a in asked)
    except FileNotFoundError:
        return False


@pytest.fixture(scope="session")
def docker() -> None:
    """Docker, installed if need be and if somebody says how."""
    if _has_docker():
        return
    lab = os.environ.get("CONTAINER_LAB")
    if not lab:
        pytest.exit(
            "tests/compose needs docker with compose (or CONTAINER_LAB, see CONTRIBUTING.md)", returncode=4
        )
    with tempfile.TemporaryDirectory() as folder:
        # Images take over the modes of what they are built from, and the folder may be read-only.
        copy = shutil.copytree(lab, Path(folder) / "lab", copy_function=shutil.copy)
        subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)
        subprocess.run([str(copy / "up")], check=True)


def _is_there(image: str) -> bool:
    return (
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
        == 0
    )


@pytest.fixture(scope="session")
def built(docker: None) -> None:
    """All images of this very source. A Prometheus that is there under its common name need not be fetched."""
    if _is_there("prom/prometheus:latest"):
        os.environ.setdefault("PROMETHEUS_IMAGE", "prom/prometheus:latest")
    containers = Containers("jobstream-test", subnet="10.213.74.0/24")
    asyncio.run(containers.compose("build", within=1200))


@pytest.fixture(scope="session")
def stack(built: None) -> Iterator[Containers]:
    """The product as `docker compose up` starts it."""
    containers = Containers("jobstream-test", subnet="10.213.74.0/24")
    try:
        asyncio.run(containers.up())
        yield containers
    finally:
        asyncio.run(containers.down())
