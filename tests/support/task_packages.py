"""Packages of tasks as a user would install them, for workers that are told of their folder by `PYTHONPATH`."""

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, name: str, *, entry_points: str, modules: Mapping[str, str]) -> None:
    """Put modules into a folder, and what makes them a distribution of this name with these entry points."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    distribution = name.replace("_", "-")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
