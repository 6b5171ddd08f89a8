"""`make docs`: write the types of the HTTP API for the page from its OpenAPI schemas; `--check` only compares.

A generator of our own, as openapi-typescript needs a compiler of TypeScript 5 beside the
page's, and with it thirty packages in every `npm ci`. It knows the part of JSON Schema that
msgspec writes, and ends with an error at anything else.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from api.openapi import shapes

TYPES: Final = Path(__file__).parents[1] / "frontend/src/api/openapi.ts"

HEAD: Final = """\
// Generated from the API's OpenAPI schemas by `make docs`; `make check` compares. Edit the structs of the api instead.

/** Whatever JSON can hold: what passes through the API without being looked at. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
"""

_WIDTH: Final = 120
_PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_SILENT: Final = frozenset(
    {"title", "description", "default", "format", "minLength", "maxLength", "minItems", "maxItems", "minimum"}
    | {"maximum", "exclusiveMinimum", "pattern", "minProperties"}
)
"""What a type does not say."""


class UnknownSchemaError(Exception):
    """A schema has what this generator does not know."""


def types(schemas: Mapping[str, Any]) -> str:
    """Return the text of the module for these schemas."""
    return HEAD + "".join(f"\n{_declared(name, schema)}" for name, schema in sorted(schemas.items()))


def _declared(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return f"{_comment(schema)}{_assigned(name, type_of(schema))}"
    fields = "".join(_fields(schema))
    return f"{_comment(schema)}export interface {name} {{\n{fields}}}\n"


def _assigned(name: str, said: str) -> str:
    line = f"export type {name} = {said};\n"
    if len(line) <= _WIDTH:
        return line
    return f"export type {name} =\n" + "\n".join(f"  | {option}" for option in said.split(" | ")) + ";\n"


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    required = frozenset(schema["required"])
    for name, field in schema["properties"].items():
        yield f"{_comment(field, '  ')}  {name}{'' if name in required else '?'}: {type_of(field)};\n"


def _comment(schema: Mapping[str, Any], indent: str = "") -> str:
    summary = " ".join(schema.get("description", "").partition("\n\n")[0].split())
    return f"{indent}/** {summary} */\n" if summary else ""


def type_of(schema: Mapping[str, Any]) -> str:
    """Return a schema as a type.

    Raises
    ------
    UnknownSchemaError
        It says more than this generator knows.

    >>> type_of({"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Job"}}, {"type": "null"}]})
    'Job[] | null'
    >>> type_of({"type": "object", "additionalProperties": {"type": "integer"}})
    'Record<string, number>'
    """
    match {key: value for key, value in schema.items() if key not in _SILENT}:
        case {"$ref": str(ref), **rest} if not rest:
            return ref.rpartition("/")[2]
        case {"anyOf": [*options], **rest} if not rest:
            return " | ".join(type_of(option) for option in options)
        case {"enum": [*words], **rest} if rest in ({}, {"type": "string"}):
            return " | ".join(json.dumps(word) for word in words)
        case {"type": "array", "items": items, **rest} if not rest:
            inner = type_of(items)
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        case {"type": "object", **rest} if rest.keys() <= {"additionalProperties"}:
            return f"Record<string, {type_of(rest.get('additionalProperties', {}))}>"
        case {"type": str(name), **rest} if not rest and name in _PLAIN:
            return _PLAIN[name]
        case {**rest} if not rest:
            return "Json"
        case unknown:
            raise UnknownSchemaError(json.dumps(unknown))


def main(arguments: Sequence[str]) -> int:
    """Write the file, or with `--check` compare it; return the exit code."""
    text = types(shapes())
    if "--check" not in arguments:
        TYPES.write_text(text)
    elif not TYPES.exists() or TYPES.read_text() != text:
        print(f"{TYPES.name} no longer says what the API does: run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
