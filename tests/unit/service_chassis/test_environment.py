"""What is wrong with the settings is said in one line, and nothing is started."""

import pytest

from api.settings import Settings as ApiSettings
from job_worker.settings import Settings as JobWorkerSettings
from result_worker.settings import Settings as ResultWorkerSettings
from service_chassis.environment import read
from service_chassis.settings import ServiceSettings


def refusal(
    settings: type[ServiceSettings],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        read(settings, of="it")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


DURATIONS = ["WORKER__LEASE", "WORKER__ANNOUNCE_AFTER", "KAFKA__REQUEST_TIMEOUT", "SHUTDOWN_GRACE"]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", ["-5", "0", "-PT1S", "nan", "inf", "1e9999", "P99999D", "soon", ""])
def test_a_duration_is_longer_than_nothing_and_has_an_end(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"{name}: " in refusal(JobWorkerSettings, {name: value}, monkeypatch, capsys)


@pytest.mark.parametrize("value", ["0", "PT0S", "0.5"])
def test_what_may_be_nothing_may_be_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP__LINGER", value)
    assert read(ApiSettings, of="it").http.linger.total_seconds() == float(value.strip("PTS"))


@pytest.mark.parametrize(
    "servers", ["", " ", ",", "a:9092,", "a b:9092", ":9092", "a:0", "a:99999", "http://a:9092"]
)
def test_servers_are_addresses(
    servers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(ResultWorkerSettings, {"KAFKA__BOOTSTRAP_SERVERS": servers}, monkeypatch, capsys)
    assert "KAFKA__BOOTSTRAP_SERVERS: must be host:port" in said


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "localhost:27017",
        "mongodb://",
        "mongodb://user:hunter2/x@h",
        "mongodb://user:hunter2@h:99999/",
        "mongodb://user:hunter2@h/?readPreferense=x",
        "mongodb+srv://user:hunter2@h/?readPreferense=x",
    ],
)
def test_a_uri_that_cannot_be_used_is_refused_and_not_quoted(
    uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(ResultWorkerSettings, {"MONGO__URI": uri}, monkeypatch, capsys)
    assert "MONGO__URI: " in said
    assert "hunter2" not in said


CONTRADICTIONS: list[tuple[type[ServiceSettings], dict[str, str], str]] = [
    (JobWorkerSettings, {"WORKER__LEASE": "4"}, "WORKER__LEASE of at least twice WORKER__RENEW_EVERY"),
    (JobWorkerSettings, {"WORKER__RENEW_EVERY": "9"}, "WORKER__LEASE of at least twice WORKER__RENEW_EVERY"),
    (JobWorkerSettings, {"WORKER__HANG_LIMIT": "5"}, "WORKER__HANG_LIMIT above WORKER__LEASE"),
    (JobWorkerSettings, {"KAFKA__SESSION_TIMEOUT": "10"}, "KAFKA__SESSION_TIMEOUT below WORKER__LEASE"),
    (JobWorkerSettings, {"DISPATCHER__TICK": "5"}, "DISPATCHER__LEASE of at least twice DISPATCHER__TICK"),
    (JobWorkerSettings, {"BREAKER__PROBE_CAP": "1"}, "BREAKER__PROBE_CAP of at least BREAKER__PROBE_AFTER"),
    (ApiSettings, {"HTTP__BODY_LIMIT": str(2 * 1024 * 1024)}, "HTTP__BODY_LIMIT: "),
    (ApiSettings, {"HTTP__BATCH_LIMIT": "2048"}, "HTTP__BATCH_LIMIT of at least HTTP__BODY_LIMIT"),
    (ApiSettings, {"HTTP__LINGER": "30"}, "HTTP__LINGER below SHUTDOWN_GRACE"),
    (ApiSettings, {"STREAMS__HEARTBEAT": "45"}, "STREAMS__HEARTBEAT: "),
    (ApiSettings, {"HTTP__HOST": ""}, "HTTP__HOST: "),
    (ApiSettings, {"LOG": "debug"}, "NAME__FIELD"),
    (JobWorkerSettings, {"WORKER": "5"}, "WORKER: "),
]


@pytest.mark.parametrize(("settings", "environment", "said"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_or_the_topics_are_refused(
    settings: type[ServiceSettings],
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert said in refusal(settings, environment, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("settings", "given", "meant"),
    [
        (JobWorkerSettings, "WORKER__CONCURENCY", "WORKER__CONCURRENCY"),
        (JobWorkerSettings, "worker__concurency", "WORKER__CONCURRENCY"),
        (JobWorkerSettings, "KAFKA__BOOTSTRAP_SERVER", "KAFKA__BOOTSTRAP_SERVERS"),
        (ResultWorkerSettings, "RETENTION__SUCCEDED", "RETENTION__SUCCEEDED"),
        (ResultWorkerSettings, "RETENTION__CANCELED", "RETENTION__CANCELLED"),
        (ApiSettings, "IMAGES__PROVDER", "IMAGES__PROVIDER"),
    ],
)
def test_a_setting_that_nobody_has_is_named_with_the_nearest_one(
    settings: type[ServiceSettings],
    given: str,
    meant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = refusal(settings, {given: "5"}, monkeypatch, capsys)
    assert f"{given.upper()}: there is no such setting, did you mean {meant}?" in said


def test_all_that_is_wrong_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"WORKER__LEASE": "-1", "WORKER__CONCURENCY": "1", "KAFKA__BOOTSTRAP_SERVERS": ""}
    said = refusal(JobWorkerSettings, wrong, monkeypatch, capsys)
    assert [name for name in wrong if name not in said] == []
