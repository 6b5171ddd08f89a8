"""What the documents point at is there, and what must be documented is."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.problems import KINDS

_ROOT = Path(__file__).resolve().parents[3]
_SKIPPED = {"node_modules", ".venv", ".venv-uv", ".local", "dist"}


def _documents() -> list[Path]:
    folders = (_ROOT, _ROOT / "docs", _ROOT / "docs/adr", _ROOT / "frontend", _ROOT / "clients/js")
    return sorted(file for folder in folders for file in folder.glob("*.md"))


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(document: Path) -> set[str]:
    """Anchors as GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", _without_code(document.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def _links() -> Iterator[tuple[Path, str]]:
    for document in _documents():
        text = _without_code(document.read_text())
        for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
            yield document, target[0] or target[1]


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for document, target in _links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(f"{document.relative_to(_ROOT)}: {target}")
    assert broken == []


def test_every_problem_of_the_code_has_its_entry() -> None:
    web = (_ROOT / "deploy/local/src/jobstream_local/web.py").read_text()
    gateway = (_ROOT / "deploy/gateway/nginx.conf.template").read_text()
    slugs = {
        *KINDS,
        *re.findall(r"_problem\(\s*\d+,\s*\"([a-z-]+)\"", web),
        *re.findall(r'"/problems/([a-z-]+)"', gateway),
    }
    documented = re.findall(r"^### ([a-z-]+)$", (_ROOT / "docs/http-api.md").read_text(), flags=re.MULTILINE)
    assert sorted(documented) == sorted(slugs)


def test_every_path_of_the_api_is_documented() -> None:
    text = (_ROOT / "docs/http-api.md").read_text()
    sources = (_ROOT / "services/api/src/api").rglob("*.py")
    paths = {
        path
        for source in sources
        for path in re.findall(r"router\.(?:get|post|delete|patch|put)\(\s*\"([^\"]+)\"", source.read_text())
    }
    assert "/jobs/{job_id}/cancel" in paths
    named = {re.sub(r"\{[^}]+\}", "{}", p) for p in re.findall(r"(?:GET|POST|DELETE|,) ?`?(/[^`?\s]*)", text)}
    assert sorted(p for p in paths if re.sub(r"\{[^}]+\}", "{}", p) not in named) == []


def test_every_test_that_is_said_to_prove_a_promise_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", (_ROOT / "docs/delivery.md").read_text())
    sources = [
        file.read_text()
        for folder in ("tests", "services", "deploy", "shared")
        for file in (_ROOT / folder).rglob("test_*.py")
        if not _SKIPPED & set(file.parts)
    ]
    there = set(re.findall(r"def (test_\w+)", "\n".join(sources)))
    assert [name for name in named if name not in there] == []


def test_every_direct_dependency_is_accounted_for() -> None:
    own = {"job-contracts", "service-chassis"}
    needed: set[str] = set()
    for file in [_ROOT / "pyproject.toml", *_ROOT.glob("*/*/pyproject.toml")]:
        manifest = tomllib.loads(file.read_text())
        project = manifest.get("project", {})
        groups = [
            *manifest.get("dependency-groups", {}).values(),
            *project.get("optional-dependencies", {}).values(),
        ]
        for requirement in [
            *project.get("dependencies", []),
            *manifest.get("build-system", {}).get("requires", []),
            *(requirement for group in groups for requirement in group),
        ]:
            needed |= set(re.findall(r"^[A-Za-z0-9._-]+", requirement))
    for file in _ROOT.glob("requirements/*.in"):
        needed |= set(re.findall(r"^[A-Za-z0-9._-]+", file.read_text(), flags=re.MULTILINE))
    for file in (_ROOT / "frontend/package.json", _ROOT / "clients/js/package.json"):
        page = json.loads(file.read_text())
        needed |= {*page.get("dependencies", {}), *page["devDependencies"]} - {"jobstream-events"}
    rows = re.findall(r"^\| (`.+?) \|", (_ROOT / "docs/dependencies.md").read_text(), flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert sorted(needed - own - documented) == [], "add them to docs/dependencies.md"
    assert sorted(documented - needed) == [], "no manifest names these"


@pytest.mark.parametrize("document", _documents(), ids=lambda path: path.name)
def test_a_document_names_no_machine(document: Path) -> None:
    text = document.read_text()
    assert re.findall(r"/(?:home|root|Users|work|var/tmp)/\w+", text) == []
