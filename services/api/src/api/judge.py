"""Judging a document by a JSON Schema: a verdict at once, and of a document that does not fit the first faults.

A validator that lists all faults copies the document once a fault, and each branch of an `anyOf` once more. So it
is asked one thing alone: whether a value fits a schema, which costs no more for a bad value than for a good one. Where
a fault lies is found by asking that of ever smaller parts.

* `Judge.fits`      the whole, once
  = `Judge.errors`  and if it does not fit, parts of it, `MAX_LOOKS` at most, until `MAX_ERRORS` faults are found
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

import msgspec
from jsonschema_rs import ReferencingError, RegexOptions, Registry, ValidationError, Validator, validator_for

from api.linear import without_backtracking
from api.problems import MAX_ERRORS, FieldError, pointer_of, shortened

MAX_LOOKS: Final = 200
"""Parts that do not fit which are looked into: it bounds what a refusal costs, whatever the schema."""

MAX_MEMBERS: Final = 10_000
"""Parts that are asked about, fitting ones included."""

_MAX_KEPT: Final = 1_000
"""Validators of parts of a schema that are kept. A schema may have more parts, and they are made again."""

_URI: Final = "urn:judged"
_ONE_PASS: Final = RegexOptions()

_OF_ALL: Final = (
    *("type", "const", "enum", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "dependentRequired"),
)
"""Keywords that speak of an array or an object as a whole and refer to no other schema."""

_OTHERS: Final = (
    *("anyOf", "oneOf", "not", "contains", "dependencies"),
    *("unevaluatedProperties", "unevaluatedItems"),
)
"""Keywords whose faults are named and not looked into."""


class Judge:
    """Judges documents by one schema."""

    def __init__(self, schema: Any) -> None:
        self._schema = without_backtracking(schema)
        self._whole: Validator = validator_for(self._schema, validate_formats=True, pattern_options=_ONE_PASS)
        self._registry: Registry | None = None
        self._parts: dict[str, Validator | None] = {}
        self._patterns: dict[str, Validator] = {}

    def fits(self, document: Any) -> bool:
        """Whether the document is what the schema says."""
        return self._whole.is_valid(document)

    def errors(self, document: Any, *, under: tuple[str, ...] = ()) -> list[FieldError]:
        """Return the first faults of the document, each with its place; none if it fits."""
        if self.fits(document):
            return []
        search = _Search(self)
        found = list(islice(search.faults("", document, under), MAX_ERRORS))
        return found or [FieldError(pointer_of(under), "does not fit the schema")]

    def at(self, pointer: str) -> Any:
        """Return the part of the schema that a pointer names; None if there is none."""
        part = self._schema
        for written in pointer.split("/")[1:]:
            name = written.replace("~1", "/").replace("~0", "~")
            if isinstance(part, dict) and name in part:
                part = part[name]
            elif isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            else:
                return None
        return part

    def matches(self, pattern: str, name: str) -> bool:
        """Whether a name matches a pattern of the schema."""
        if pattern not in self._patterns:
            self._patterns[pattern] = validator_for({"pattern": pattern}, pattern_options=_ONE_PASS)
        return self._patterns[pattern].is_valid(name)

    def part(self, pointer: str) -> Validator | None:
        """Return what judges by a part of the schema; None if that part cannot stand alone."""
        if pointer not in self._parts:
            if self._registry is None:
                self._registry = Registry([(_URI, self._schema)])
            if len(self._parts) >= _MAX_KEPT:
                self._parts.clear()
            try:
                ref = {"$ref": f"{_URI}#{quote(pointer)}"}
                self._parts[pointer] = validator_for(
                    ref, registry=self._registry, validate_formats=True, pattern_options=_ONE_PASS
                )
            except (ReferencingError, ValidationError, ValueError):
                self._parts[pointer] = None
        return self._parts[pointer]


class _Search:
    """One search for the faults of a document."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._looks, self._members = MAX_LOOKS, MAX_MEMBERS

    def faults(self, pointer: str, value: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
        """Find what is wrong with a value that does not fit the schema at this pointer."""
        self._looks -= 1
        if self._looks < 0:
            return
        schema = self._judge.at(pointer)
        where = pointer_of(path)
        if not isinstance(schema, dict):
            yield FieldError(where, "is not allowed")
        elif isinstance(value, dict | list):
            is_told = False
            for fault in self._inside(schema, pointer, value, path):
                is_told = True
                yield fault
            if not is_told and self._looks >= 0:
                yield FieldError(where, _broken(schema, value))
        else:
            # Of a value without parts the validator may tell all: a copy of it costs nothing.
            validator = self._judge.part(pointer)
            told = () if validator is None else islice(validator.iter_errors(value), MAX_ERRORS)
            messages = [shortened(error.message) for error in told] or ["does not fit the schema"]
            yield from (FieldError(where, message) for message in messages)

    def _inside(
        self, schema: dict[str, Any], pointer: str, value: Any, path: tuple[str | int, ...]
    ) -> Iterator[FieldError]:
        target = schema.get("$ref")
        if isinstance(target, str) and (target == "#" or target.startswith("#/")):
            yield from self._of_part(target[1:], value, path)
        for i in range(len(schema.get("allOf", ()))):
            yield from self._of_part(f"{pointer}/allOf/{i}", value, path)
        if "if" in schema:
            condition = self._judge.part(f"{pointer}/if")
            branch = "then" if condition is not None and condition.is_valid(value) else "else"
            if branch in schema:
                yield from self._of_part(f"{pointer}/{branch}", value, path)
        if isinstance(value, dict):
            yield from self._of_object(schema, pointer, value, path)
        else:
            first = schema.get("prefixItems", ())
            for i, item in enumerate(value[: self._members]):
                # Beyond those that have a schema each, all have one.
                place = f"{pointer}/prefixItems/{i}" if i < len(first) else f"{pointer}/items"
                if i < len(first) or "items" in schema:
                    yield from self._of_part(place, item, (*path, i))

    def _of_object(
        self, schema: dict[str, Any], pointer: str, value: dict[str, Any], path: tuple[str | int, ...]
    ) -> Iterator[FieldError]:
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        patterns = list(schema.get("patternProperties", ()))
        for name in schema.get("required", ()):
            if name not in value:
                yield FieldError(pointer_of((*path, name)), "is required")
        for name, member in islice(value.items(), self._members):
            if name in known:
                yield from self._of_part(f"{pointer}/properties{pointer_of((name,))}", member, (*path, name))
            matched = [pattern for pattern in patterns if self._judge.matches(pattern, name)]
            for pattern in matched:
                place = f"{pointer}/patternProperties{pointer_of((pattern,))}"
                yield from self._of_part(place, member, (*path, name))
            if name in known or matched:
                continue
            if others is False:
                yield FieldError(pointer_of((*path, name)), "no such field")
            elif others is not None:
                yield from self._of_part(f"{pointer}/additionalProperties", member, (*path, name))
        for name in schema.get("dependentSchemas", ()):
            if name in value:
                place = f"{pointer}/dependentSchemas{pointer_of((name,))}"
                yield from self._of_part(place, value, path)
        if "propertyNames" in schema:
            for name in islice(value, self._members):
                yield from self._of_part(f"{pointer}/propertyNames", name, path)

    def _of_part(self, pointer: str, value: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
        self._members = max(0, self._members - 1)
        if self._looks < 0 or not self._members:
            return
        validator = self._judge.part(pointer)
        if validator is not None and not validator.is_valid(value):
            yield from self.faults(pointer, value, path)


def _broken(schema: dict[str, Any], value: Any) -> str:
    """Name the keywords that an array or an object breaks as a whole."""
    broken = [
        f"{name}: {msgspec.json.encode(schema[name]).decode()[:100]}"
        for name in _OF_ALL
        if name in schema and not validator_for({name: schema[name]}).is_valid(value)
    ]
    broken = broken or [name for name in _OTHERS if name in schema]
    return shortened(f"does not fit {', '.join(broken) or 'the schema'}")
