"""What stands in .env.example and docs/configuration.md is what the models say."""

import re

import pytest

from service_chassis.settings import HostedImagesSettings, RetentionSection, SharedSection
from tests.unit.settings.described import (
    BEGIN,
    COMPOSE,
    CONFIGURATION,
    END,
    ENV_EXAMPLE,
    MODELS,
    OF_THE_MACHINE,
    ROOT,
    compose_settings,
    env_example,
    readers,
    table,
)

_CURE = "run `.venv/bin/python -m tests.unit.settings.described`"


def test_env_example_names_every_setting_with_its_default() -> None:
    assert ENV_EXAMPLE.read_text() == env_example(), _CURE


def test_compose_hands_each_service_what_it_reads_and_nothing_else() -> None:
    assert COMPOSE.read_text() == compose_settings(), _CURE


def test_the_configuration_page_has_the_table_of_the_models() -> None:
    text = CONFIGURATION.read_text()
    assert text.partition(BEGIN)[2].partition(END)[0] == table(), _CURE


def test_every_setting_argues_for_its_default() -> None:
    assert [setting.name for setting in readers() if not setting.why] == []


def test_one_variable_means_the_same_to_all_who_read_it() -> None:
    names = [setting.name for setting in readers()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("service", MODELS)
def test_the_whole_example_with_its_defaults_is_an_environment_for_every_service(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line[1:] for line in env_example().splitlines() if re.match(r"#[A-Z]", line)]
    values = {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}
    for name in values:
        monkeypatch.delenv(name, raising=False)
    untouched = [model() for model in MODELS[service]]
    for name, value in values.items():
        if value and name not in OF_THE_MACHINE:
            monkeypatch.setenv(name, value)
    assert [model() for model in MODELS[service]] == untouched


def test_the_configuration_page_names_every_setting_of_the_launcher() -> None:
    options = (ROOT / "deploy/local/src/jobstream_local/options.py").read_text()
    named = set(re.findall(r'(?:number|env\.get)\("([A-Z_]+)"', options))
    assert {"JOBSTREAM_HOME", "API_PORT", "JOB_WORKERS", "MONGO__URI"} <= named
    text = CONFIGURATION.read_text()
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("section", [RetentionSection, HostedImagesSettings])
def test_a_shared_section_knows_the_fields_of_all_services(section: type[SharedSection]) -> None:
    head = "RETENTION" if section is RetentionSection else "IMAGES"
    fields = {
        name.lower() for prefix, _, name in (s.name.partition("__") for s in readers()) if prefix == head
    }
    assert section.names == fields
