"""Every setting there is, as the models declare it: name, default, readers, reason.

`python -m tests.unit.settings.described` writes `.env.example`, the table of docs/configuration.md and what Compose
hands to each service anew; the tests beside this compare them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefinedType

from api.settings import Settings as ApiSettings
from dlq_worker.settings import Settings as DlqWorkerSettings
from job_worker.settings import Settings as JobWorkerSettings
from job_worker.tasks.http_request.settings import HttpRequestSettings
from job_worker.tasks.image_search.settings import ImageSearchSettings
from jobstream_setup.settings import Settings as SetupSettings
from result_worker.settings import Settings as ResultWorkerSettings

ROOT: Final = Path(__file__).resolve().parents[3]
ENV_EXAMPLE: Final = ROOT / ".env.example"
CONFIGURATION: Final = ROOT / "docs/configuration.md"
COMPOSE: Final = ROOT / "deploy/compose/settings.yml"
BEGIN: Final = "<!-- settings: begin -->\n"
END: Final = "<!-- settings: end -->\n"

MODELS: Final[Mapping[str, tuple[type[BaseModel], ...]]] = {
    "api": (ApiSettings,),
    "job-worker": (JobWorkerSettings, ImageSearchSettings, HttpRequestSettings),
    "result-worker": (ResultWorkerSettings,),
    "dlq-worker": (DlqWorkerSettings,),
    "setup": (SetupSettings,),
}

OF_THE_MACHINE: Final = {
    "WORKER__HOST": "the machine's name",
    "WORKER__THREADS": "as many as cores",
    "WORKER__PROCESSES": "as many as cores",
}
"""Defaults that differ from machine to machine."""


OF_THE_FILES: Final = (
    "KAFKA__",
    "MONGO__",
    "OPS__",
    "ACCESS__",
    "HTTP__HOST",
    "HTTP__PORT",
    "HTTP__TRUSTED_PROXIES",
)
"""Compose's own files say these, or a servers.env; named here as well they would not come through from a file."""


def _is_of_the_files(name: str) -> bool:
    # HTTP__HOST is one of theirs, HTTP__HOSTS is not.
    return any(name == own or (own.endswith("__") and name.startswith(own)) for own in OF_THE_FILES)


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable."""

    name: str
    default: str
    why: str


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    """Yield what a model reads, in its order."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_of(inner, f"{variable}__")
        elif (named := _named(inner)) is not None:
            yield from settings_of(named, f"{variable}__<NAME>__")
        else:
            yield Setting(variable, OF_THE_MACHINE.get(variable, _text(field)), field.description or "")


def _named(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a section that an operator may have several of, each under a name."""
    *_, inner = get_args(annotation) or (None,)
    is_named = get_origin(annotation) is dict and isinstance(inner, type) and issubclass(inner, BaseModel)
    return inner if is_named else None


def _text(field: FieldInfo) -> str:
    default: Any = field.get_default(call_default_factory=True)
    match default:
        case None | PydanticUndefinedType():
            return ""
        case SecretStr():
            return default.get_secret_value()
        case timedelta():
            return str(TypeAdapter(timedelta).dump_python(default, mode="json"))
        case _:
            return str(default)


def readers() -> dict[Setting, list[str]]:
    """Return every setting with the services that read it."""
    found: dict[Setting, list[str]] = {}
    for service, models in MODELS.items():
        for model in models:
            for setting in settings_of(model):
                services = found.setdefault(setting, [])
                if service not in services:  # two of its models may share a section
                    services.append(service)
    return found


def table() -> str:
    """Return the settings as a Markdown table."""
    lines = ["| variable | default | read by | why so |", "|---|---|---|---|"]
    for setting, services in readers().items():
        who = "all" if len(services) == len(MODELS) else ", ".join(services)
        default = f"`{setting.default}`" if setting.default else "none"
        why = setting.why.replace("|", "\\|")
        lines.append(f"| `{setting.name}` | {default} | {who} | {why} |")
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """Return the settings as a file of comments: each line shows a default."""
    lines = [
        "# Every setting with its default; take the # away to change one. No service reads this file by itself:",
        "# `set -a; . ./.env; set +a; make up`, or an `env_file` of whatever starts the services.",
        "# docs/configuration.md says who reads what. Durations: seconds (10, 0.5) or ISO 8601 (PT10S, P7D).",
    ]
    section = ""
    for setting in dict.fromkeys(s for s in readers()):
        head = setting.name.partition("__")[0] if "__" in setting.name else ""
        if head != section:
            lines.append("")
            section = head
        value = "" if setting.name in OF_THE_MACHINE else setting.default
        lines += [f"# {setting.why}", f"#{setting.name}={_quoted(value)}"]
    return "\n".join(lines) + "\n"


def compose_settings() -> str:
    """Return what Compose hands on to each service by name: a key in .env reaches who reads it, and nobody else."""
    lines = [
        "# Which variables of .env, or of the shell, reach which service: those it reads. Written by",
        "# `.venv/bin/python -m tests.unit.settings.described`; what is not set there keeps its default.",
        "services:",
    ]
    for service in MODELS:
        names = {s.name.partition("__<NAME>")[0] for s, services in readers().items() if service in services}
        lines += [f"  {service}:", "    environment:"]
        lines += [f"      - {name}" for name in sorted(names) if not _is_of_the_files(name)]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return f"'{value}'" if set(value) & set("&;?* #$") else value


def main() -> None:
    """Write the files."""
    COMPOSE.write_text(compose_settings())
    ENV_EXAMPLE.write_text(env_example())
    before, _, rest = CONFIGURATION.read_text().partition(BEGIN)
    CONFIGURATION.write_text(before + BEGIN + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
