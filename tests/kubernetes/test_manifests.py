"""deploy/k8s, rendered by kustomize and held against the schemas of Kubernetes and of KEDA, without any cluster.

kustomize is taken from PATH (or `kubectl kustomize`), else built by Go from its module; KEDA's own definitions come
from its module too, Kubernetes' schemas from requirements/kubernetes.lock.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[2]
_K8S: Final = _ROOT / "deploy/k8s"
_KUSTOMIZE: Final = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
_KEDA: Final = "github.com/kedacore/keda/v2@v2.17.2"
_PACKAGES: Final = _ROOT / ".local/kubernetes"
_VERSION: Final = "1.31"

_WORKLOADS: Final = {"api", "job-worker", "result-worker", "dlq-worker", "gateway", "setup"}

Manifest = dict[str, Any]


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"`{' '.join(command)}`: {done.stderr[-2000:]}"
    return done.stdout


@cache
def _schemas() -> Any:
    """The package of schemas, installed by hash into a folder of its own."""
    lock = _ROOT / "requirements/kubernetes.lock"
    stamp = _PACKAGES / "stamp"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        uv = str(_ROOT / ".venv-uv/bin/uv")
        options = ["-q", "--require-hashes", "--no-deps", "--python", sys.executable]
        _run(uv, "pip", "install", *options, "--target", str(_PACKAGES), "-r", str(lock))
        stamp.write_text(lock.read_text())
    sys.path.append(str(_PACKAGES))
    import kubernetes_validate

    return kubernetes_validate


@cache
def _rendered(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay."""
    folder = str(_K8S / "overlays" / overlay)
    if tool := shutil.which("kustomize"):
        text = _run(tool, "build", folder)
    elif tool := shutil.which("kubectl"):
        text = _run(tool, "kustomize", folder)
    else:
        text = _run("go", "run", _KUSTOMIZE, "build", folder)
    _schemas()
    import yaml

    return tuple(document for document in yaml.safe_load_all(text) if document)


@pytest.fixture(params=["minimal", "production"])
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return _rendered(request.param)


def _pods(manifests: tuple[Manifest, ...]) -> dict[str, Mapping[str, Any]]:
    return {
        m["metadata"]["name"]: m["spec"]["template"] for m in manifests if m["kind"] in {"Deployment", "Job"}
    }


def test_every_object_fits_its_schema(manifests: tuple[Manifest, ...]) -> None:
    validate = _schemas()
    for manifest in manifests:
        if manifest["apiVersion"].startswith("keda.sh/"):
            continue
        validate.validate(manifest, _VERSION, strict=True)


def test_every_object_of_keda_fits_its_definition() -> None:
    _schemas()
    import jsonschema
    import yaml

    module = json.loads(_run("go", "mod", "download", "-json", _KEDA))["Dir"]
    objects = [m for m in _rendered("production") if m["apiVersion"].startswith("keda.sh/")]
    assert {m["metadata"]["name"] for m in objects} == {
        "kafka",
        "api",
        "job-worker",
        "result-worker",
        "dlq-worker",
    }
    for manifest in objects:
        kind = manifest["kind"].lower()
        definition = yaml.safe_load(Path(module, f"config/crd/bases/keda.sh_{kind}s.yaml").read_text())
        (version,) = [v for v in definition["spec"]["versions"] if v["name"] == "v1alpha1"]
        jsonschema.validate(manifest, _closed(version["schema"]["openAPIV3Schema"]))


def _closed(schema: Any) -> Any:
    """Refuse fields that a definition does not have, as the API server does when it is strict."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    free = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"} & closed.keys()
    if (
        "properties" in closed
        and isinstance(schema.get("type"), str)
        and not free
        and "metadata" not in closed["properties"]
    ):
        closed["additionalProperties"] = False
    return closed


def test_every_pod_keeps_to_the_restricted_standard(manifests: tuple[Manifest, ...]) -> None:
    pods = _pods(manifests)
    assert set(pods) == _WORKLOADS
    for name, pod in pods.items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"]["cpu"], name
        assert re.search(r":\d+\.\d+", container["image"]), f"{name}: {container['image']} has no version"


def test_every_service_has_its_probes_its_settings_and_time_to_end(manifests: tuple[Manifest, ...]) -> None:
    for name, pod in _pods(manifests).items():
        (container,) = pod["spec"]["containers"]
        if name in {"gateway", "setup"}:
            continue
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "ops"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "ops"}
        assert "startupProbe" in container
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 30
        refs = [next(iter(source.values()))["name"] for source in container["envFrom"]]
        assert any(ref.startswith("jobstream") for ref in refs)
        assert any(ref.startswith(f"jobstream-{name}") for ref in refs)


def test_every_deployment_survives_a_drained_node(manifests: tuple[Manifest, ...]) -> None:
    budgets = {m["metadata"]["name"] for m in manifests if m["kind"] == "PodDisruptionBudget"}
    assert budgets == {m["metadata"]["name"] for m in manifests if m["kind"] == "Deployment"}


def test_nothing_may_speak_but_by_a_policy_that_names_it(manifests: tuple[Manifest, ...]) -> None:
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"}
    everything = policies["nothing"]
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & everything.keys()
    labels = everything["podSelector"]["matchLabels"]
    for name, pod in _pods(manifests).items():
        assert labels.items() <= pod["metadata"]["labels"].items(), f"{name} is outside the policy"
    (rule,) = policies["tasks"]["egress"]
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"]


def test_workers_never_outnumber_partitions_and_one_with_a_dispatcher_is_always_there() -> None:
    from job_contracts.topics import PARTITIONS, Group, Topic

    scaled = {
        m["metadata"]["name"]: m["spec"] for m in _rendered("production") if m["kind"] == "ScaledObject"
    }
    assert scaled["job-worker"]["minReplicaCount"] >= 1
    reads = {
        Group.JOB_WORKER: Topic.JOBS,
        Group.RESULT_WORKER: Topic.RESULTS,
        Group.DLQ_WORKER: Topic.DEAD_LETTER,
    }
    for group, topic in reads.items():
        spec = scaled[str(group)]
        assert spec["maxReplicaCount"] <= PARTITIONS
        (trigger,) = spec["triggers"]
        assert (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"]) == (
            str(group),
            str(topic),
        )
    replicas = {
        m["metadata"]["name"]: m["spec"].get("replicas")
        for m in _rendered("production")
        if m["kind"] == "Deployment"
    }
    assert {name: replicas[name] for name in scaled} == dict.fromkeys(scaled)
