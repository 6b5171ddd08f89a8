"""The human docs at /docs: the OpenAPI document as one page, without scripts and without any other host."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from starlette.responses import HTMLResponse, Response

Schema = Mapping[str, Any]

STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#e3e3e8, #303238); --soft: light-dark(#f5f5f7, #1c1d21);
  --quiet: light-dark(#5c5e66, #a3a5ad); --accent: light-dark(#4b4bc8, #a5a5ff); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p.lead, td.quiet, small { color: var(--quiet); }
section { border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
section h3 { margin: 0; font-size: 1rem; } section p { margin: .25rem 0; }
code { font: 13px ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: 4px; }
b.method { display: inline-block; min-width: 4.2rem; color: var(--accent); font: 600 13px ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; } td, th { text-align: left; vertical-align: top;
  padding: .2rem .6rem .2rem 0; border-top: 1px solid var(--line); font-size: 14px; } a { color: var(--accent); }
"""


def manual_page(document: Schema) -> Response:
    """Return the page for this OpenAPI document."""
    return HTMLResponse("\n".join(_page(document)))


def manual_style() -> Response:
    """Return the page's style, in a file of its own: a strict content policy allows no other."""
    return Response(STYLE, media_type="text/css")


def _page(document: Schema) -> Iterator[str]:
    info = document["info"]
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
    yield '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/style.css">'
    yield f'<h1>{escape(info["title"])} API</h1><p class="lead">{escape(info.get("summary", ""))}</p>'
    yield '<p>For machines: <a href="/openapi.json">/openapi.json</a>. Errors are problem+json: '
    yield '<a href="/problems">/problems</a> lists them.</p>'
    groups: dict[str, list[str]] = defaultdict(list)
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            groups[(call.get("tags") or ["other"])[0]].append("".join(_call(method, path, call)))
    for name, sections in groups.items():
        yield f"<h2>{escape(name.capitalize())}</h2>"
        yield from sections
    yield "<h2>Shapes</h2>"
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield from _shape(name, schema)
    yield "</html>"


def _call(method: str, path: str, call: Schema) -> Iterator[str]:
    yield f'<section><h3><b class="method">{method.upper()}</b> <code>{escape(path)}</code></h3>'
    yield f"<p>{escape(call.get('summary', ''))}</p>"
    if text := call.get("description"):
        yield f"<p><small>{escape(text)}</small></p>"
    rows = [
        (p["name"], p["in"], _type(p.get("schema", {})), p.get("description", ""))
        for p in call.get("parameters", [])
    ]
    if rows:
        yield _table(rows)
    for content in call.get("requestBody", {}).get("content", {}).values():
        yield f"<p>Body: {_type(content.get('schema', {}))}</p>"
    answers = [
        f"<code>{escape(code)}</code> {escape(answer.get('description', ''))} {_content(answer)}"
        for code, answer in call.get("responses", {}).items()
    ]
    yield f"<p>{' · '.join(answers)}</p></section>"


def _content(answer: Schema) -> str:
    schemas = [content.get("schema", {}) for content in answer.get("content", {}).values()]
    return " ".join(_type(schema) for schema in schemas if schema)


def _shape(name: str, schema: Schema) -> Iterator[str]:
    yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
    required = set(schema.get("required", ()))
    yield _table(
        [
            (field, "required" if field in required else "", _type(of), of.get("description", ""))
            for field, of in schema.get("properties", {}).items()
        ]
    )
    yield "</section>"


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    """Return a table; the third column is HTML already."""
    cells = (
        f'<tr><td><code>{escape(name)}</code><td class="quiet">{escape(note)}<td>{kind}<td>{escape(text)}'
        for name, note, kind, text in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _type(schema: Schema) -> str:
    """Return what a value may be, as HTML."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("anyOf") or schema.get("allOf") or schema.get("oneOf"):
        return " or ".join(_type(choice) for choice in choices)
    if "enum" in schema:
        return " or ".join(f"<code>{escape(repr(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "anything")
    limits = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "over"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
            ("maxItems", "at most"),
        )
        if key in schema
    ]
    inner = f" of {_type(schema['items'])}" if "items" in schema else ""
    named = escape(" or ".join(kind) if isinstance(kind, list) else str(kind))
    return f"{named}{inner}{escape(' (' + ', '.join(limits) + ')') if limits else ''}"
