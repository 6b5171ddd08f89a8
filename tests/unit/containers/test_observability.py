"""Alerts and graphs ask for metrics that exist, and every alert has its runbook."""

import json
import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_ALERTS = (_ROOT / "deploy/prometheus/alerts.yml").read_text()
_BOARD = json.loads((_ROOT / "deploy/grafana/dashboards/jobstream.json").read_text())

_FOREIGN = {"up", "process_resident_memory_bytes"}
"""Made by Prometheus and its client library."""

_WORDS = {"and", "absent", "by", "count", "histogram_quantile", "increase", "le", "max", "or", "rate", "sum"}
"""What a query has beside metrics."""


def _metrics() -> set[str]:
    """Names of all metrics the services have, as Prometheus stores them."""
    names = set(_FOREIGN)
    for folder in ("services", "shared"):
        for source in (_ROOT / folder).rglob("*.py"):
            for kind, name in re.findall(
                r'(?:\.|\s)(counter|gauge|histogram|Histogram)\(\s*"([a-z_]+)"', source.read_text()
            ):
                names |= {f"{name}_bucket", name} if kind.lower() == "histogram" else {name}
    return names


def _asked(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without) \([^)]*\)", "", expression)
    return set(re.findall(r"\b[a-z][a-z_]+\b", bare)) - _WORDS


def test_every_alert_asks_for_metrics_that_exist() -> None:
    expressions = re.findall(r"^ +expr: (.+)$", _ALERTS, flags=re.MULTILINE)
    assert len(expressions) >= 10
    assert sorted(set().union(*map(_asked, expressions)) - _metrics()) == []


def test_every_graph_asks_for_metrics_that_exist() -> None:
    expressions = [target["expr"] for panel in _BOARD["panels"] for target in panel["targets"]]
    assert sorted(set().union(*map(_asked, expressions)) - _metrics()) == []


def test_every_alert_has_a_runbook_of_its_name() -> None:
    named = re.findall(r"alert: (\w+)", _ALERTS)
    links = re.findall(r"runbook: docs/operations\.md#(\w+)", _ALERTS)
    assert links == [name.lower() for name in named]
    headings = re.findall(r"^#+ (\w+)$", (_ROOT / "docs/operations.md").read_text(), flags=re.MULTILINE)
    assert sorted(set(named) - set(headings)) == []


def test_the_board_is_provisioned_where_compose_mounts_it_and_asks_the_provisioned_source() -> None:
    compose = (_ROOT / "docker-compose.yml").read_text()
    provider = (_ROOT / "deploy/grafana/provisioning/dashboards/jobstream.yml").read_text()
    (folder,) = re.findall(r"path: (\S+) ", provider)
    assert f"./deploy/grafana/dashboards:{folder}:ro" in compose
    source = (_ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    (uid,) = re.findall(r"uid: (\w+)", source)
    assert {panel["datasource"]["uid"] for panel in _BOARD["panels"]} == {uid}
    assert len({panel["id"] for panel in _BOARD["panels"]}) == len(_BOARD["panels"])
