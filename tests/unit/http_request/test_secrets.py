"""Secrets: what settings take, where they go, and how they are found in what comes back."""

import base64
import json
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from job_worker.outbound import Target
from job_worker.tasks.http_request.secrets import Redaction, SecretBoundElsewhere, UnknownSecret, Vault
from job_worker.tasks.http_request.settings import BoundSecret, HttpRequestSettings

VALUE = "HTTP_REQUEST__SECRETS__BILLING_TOKEN__VALUE"
ORIGINS = "HTTP_REQUEST__SECRETS__BILLING_TOKEN__ORIGINS"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> HttpRequestSettings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return HttpRequestSettings()


def test_a_secret_is_two_variables_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(
        monkeypatch, **{VALUE: "Bearer canary-1", ORIGINS: "https://a.example, https://b.example:8443"}
    )
    assert "canary" not in repr(read)
    vault = Vault(read.http_request.secrets)
    assert vault.value("billing_token", Target.of("https://b.example:8443/x")) == "Bearer canary-1"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://a.example/",
            "https://a.example:8443/",
            "https://a.example.evil.example/",
            "https://x.a.example/",
        ),
        *("https://b.example/", "https://93.184.216.34/"),
    ],
)
def test_a_secret_is_bound_to_scheme_host_and_port(url: str) -> None:
    vault = Vault(
        {"k": BoundSecret(value="Bearer canary-1", origins="https://a.example,https://b.example:1")}
    )
    with pytest.raises(SecretBoundElsewhere) as caught:
        vault.value("k", Target.of(url))
    assert "canary" not in str(caught.value)
    with pytest.raises(UnknownSecret):
        vault.value("l", Target.of("https://a.example/"))


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("canary\r\nX: y", "https://a.example"),
        ("canaryü12", "https://a.example"),
        ("canary", "https://a.example"),
        ("Bearer canary", "https://a.example"),
        ("Bearer canary-1", ""),
        ("Bearer canary-1", "a.example"),
        ("Bearer canary-1", "https://a.example/path"),
        ("Bearer canary-1", "https://a.example,https://u@b.example"),
    ],
)
def test_a_secret_that_cannot_be_kept_safe_is_refused_without_being_shown(
    value: str, origins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, **{VALUE: value, ORIGINS: origins})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["HTTP_REQUEST__ALLOW", "HTTP_REQUEST__CA_FILE"])
def test_a_list_or_file_that_is_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        settings(monkeypatch, **{name: "127.0.0.1:x"})


@pytest.mark.parametrize(
    "shape",
    [
        "Bearer {0}",
        "before {0} after",
        "{0}{0}",
        json.dumps({"token": "{0}"}).replace("{", "{{").replace("}", "}}").replace("{{0}}", "{0}"),
    ],
)
@pytest.mark.parametrize(
    "written",
    [
        "x7-token/+=",
        quote("x7-token/+=", safe=""),
        base64.b64encode(b"x7-token/+=").decode(),
        base64.b64encode(b"Bearer x7-token/+=").decode(),
    ],
)
def test_a_token_is_found_however_it_is_written(shape: str, written: str) -> None:
    redaction = Redaction(["Bearer x7-token/+="])
    assert written not in redaction.text(shape.format(written))
    assert "token/" not in redaction.text(shape.format(written))
    assert written.encode() not in redaction.data(shape.format(written).encode())


def test_the_password_behind_basic_is_found_too() -> None:
    packed = base64.b64encode(b"billing:p4ssword-long").decode()
    redaction = Redaction([f"Basic {packed}"])
    text = redaction.text(f"{packed}, billing:p4ssword-long, p4ssword-long, billing")
    assert text == "[redacted], [redacted], [redacted], billing"


def test_a_document_is_searched_in_names_and_values_whatever_escapes_were_used() -> None:
    document = json.loads('{"s3cret-\\u0074oken": [1, null, {"a": "<\\u00733cret-token>"}]}')
    redaction = Redaction(["s3cret-token"])
    assert redaction.document(document, levels=3) == {"[redacted]": [1, None, {"a": "<[redacted]>"}]}
    with pytest.raises(RecursionError):
        redaction.document(document, levels=2)


def test_without_secrets_nothing_is_changed() -> None:
    assert Redaction([]).text("anything at all") == "anything at all"
