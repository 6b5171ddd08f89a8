"""A schema as the door judges by it: with such patterns alone that are matched in one pass.

A pattern that looks around or back is tried again from every place, and a short hostile text holds it up for as
long as it likes. What it looks ahead for from its beginning is a pattern of its own. The others are left to the worker,
which judges every payload by its own model.
"""

import re
from typing import Any, Final

from jsonschema_rs import RegexOptions, ValidationError, validator_for

_VALUES: Final = frozenset({"const", "enum", "default", "examples", "example"})
"""What stands under these is no schema."""

_MAPS: Final = frozenset(
    {"properties", "$defs", "definitions", "dependentSchemas", "patternProperties", "dependencies"}
)
"""Under these a name is anybody's, and what stands under it is a schema."""

_AHEAD: Final = re.compile(r"\^\(\?([=!])")
_BY_PATTERN: Final = ("patternProperties", "additionalProperties", "unevaluatedProperties")


def is_linear(pattern: str) -> bool:
    r"""Whether a pattern is matched in one pass.

    >>> is_linear("^(a+)+$"), is_linear("^(?=a)b"), is_linear(r"(a)\1")
    (True, False, False)
    """
    try:
        validator_for({"pattern": pattern}, pattern_options=RegexOptions())
    except (ValidationError, ValueError):
        return False
    return True


def in_one_pass(pattern: str) -> list[dict[str, Any]] | None:
    """Return schemas that together say what a pattern says, each matched in one pass; None if there are none.

    What looks ahead from the beginning is a pattern of its own.

    >>> in_one_pass("^(?!x)y")
    [{'pattern': '^y'}, {'not': {'type': 'string', 'pattern': '^(?:x)'}}]
    >>> in_one_pass("a(?=b)") is None
    True
    """
    rest, parts = pattern, list[dict[str, Any]]()
    while found := _AHEAD.match(rest):
        end = _end_of_group(rest, found.end())
        if end == len(rest):
            return None
        ahead = {"pattern": f"^(?:{rest[found.end() : end]})"}
        parts.append(ahead if found.group(1) == "=" else {"not": {"type": "string", **ahead}})
        rest = "^" + rest[end + 1 :]
    parts.insert(0, {"pattern": rest})
    wanted = [part.get("not", part)["pattern"] for part in parts]
    return parts if all(map(is_linear, wanted)) else None


def without_backtracking(schema: Any) -> Any:
    """Return the schema with patterns alone that are matched in one pass; of the others it says nothing.

    >>> without_backtracking({"type": "string", "pattern": "(?<=a)b"})
    {'type': 'string'}
    """
    if isinstance(schema, list):
        return [without_backtracking(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _inside(name, part) for name, part in schema.items()}
    pattern = kept.get("pattern")
    if isinstance(pattern, str) and not is_linear(pattern):
        del kept["pattern"]
        if parts := in_one_pass(pattern):
            kept["allOf"] = [*kept.get("allOf", ()), *parts]
    if not all(map(is_linear, kept.get("patternProperties", ()))):
        # What is left of the three would refuse the very names that fit.
        kept = {name: part for name, part in kept.items() if name not in _BY_PATTERN}
    return kept


def _end_of_group(pattern: str, start: int) -> int:
    """Return where the group ends that is open at `start`; the end of the pattern if it does not."""
    depth, in_class, position = 1, False, start
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
            if not depth:
                break
        position += 1
    return position


def _inside(name: str, part: Any) -> Any:
    if name in _VALUES:
        return part
    if name in _MAPS and isinstance(part, dict):
        return {key: without_backtracking(value) for key, value in part.items()}
    return without_backtracking(part)
