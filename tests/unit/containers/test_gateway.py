"""The gateway's configuration agrees with what else says the same."""

import json
import re
from pathlib import Path

from jobstream_local.web import _PAGE_HEADERS

_ROOT = Path(__file__).resolve().parents[3]
_GATEWAY = _ROOT / "deploy/gateway"
_TEMPLATE = (_GATEWAY / "nginx.conf.template").read_text()


def test_the_page_gets_the_same_headers_from_the_gateway_as_from_make_up() -> None:
    text = (_GATEWAY / "snippets/page-headers.conf").read_text()
    sent = {
        name.lower(): value for name, value in re.findall(r'add_header ([\w-]+) "?([^"]+?)"? always;', text)
    }
    assert sent.pop("strict-transport-security") == "$strict_transport"
    assert sent == _PAGE_HEADERS


def test_every_problem_of_the_gateway_is_json_and_says_its_own_status() -> None:
    problems = re.findall(r"return (\d+) '(\{.*\})';", _TEMPLATE)
    assert len(problems) == 7
    for status, body in problems:
        problem = json.loads(body)
        assert problem["status"] == int(status)
        assert set(problem) == {"type", "title", "status", "detail"}


def test_every_path_of_the_api_passes_the_gateway_and_no_ops_path_does() -> None:
    api = re.findall(r"location ~ (\^/\S*\(/\|\$\)) \{", _TEMPLATE)
    passed = [re.compile(pattern) for pattern in api if "ui" not in pattern]
    exact = {"/events", "/jobs/batch"}
    sources = (_ROOT / "services/api/src/api").rglob("*.py")
    paths = {
        path
        for source in sources
        for path in re.findall(
            r'(?:router\.(?:get|post|delete|patch|put)|Route)\(\s*"(/[^"]+)"', source.read_text()
        )
    }
    assert {"/jobs/{job_id}/cancel", "/docs", "/stats"} <= paths
    images = {path for path in paths if path.startswith("/images/")}
    assert images, "hosted pictures have a place of their own"
    assert sorted(p for p in paths - images - exact if not any(r.search(p) for r in passed)) == []
    for hidden in ("/metrics", "/livez", "/readyz"):
        assert not any(pattern.search(hidden) for pattern in passed)


def test_every_setting_of_the_gateway_has_a_default_in_its_image() -> None:
    used = set(re.findall(r"\$\{(GATEWAY_\w+)\}", _TEMPLATE))
    image = (_GATEWAY / "Dockerfile").read_text()
    start = (_GATEWAY / "18-gateway.envsh").read_text()
    assert sorted(name for name in used if f"{name}=" not in image + start) == []
