import { describe, expect, test } from "vitest";
import type { Schema } from "../api/types";
import { type Draft, draftOf, fieldsOf, payloadOf } from "./payload-form";

const SEARCH: Schema = {
  type: "object",
  required: ["query"],
  properties: {
    query: { type: "string", title: "Query", minLength: 1, maxLength: 200 },
    count: { type: "integer", default: 10, minimum: 1, maximum: 30 },
    orientation: { anyOf: [{ $ref: "#/$defs/Orientation" }, { type: "null" }], default: null, description: "Shape." },
    safe: { type: "boolean", default: true },
    headers: { type: "object", additionalProperties: { type: "string" } },
    words: { type: "array", items: { type: "string" } },
  },
  $defs: { Orientation: { enum: ["landscape", "portrait"], type: "string" } },
};
const fields = fieldsOf(SEARCH);

describe("fields from a schema", () => {
  test("each value gets the input that fits, through references and optional types", () => {
    expect(fields.map(({ pointer, kind }) => [pointer, kind])).toEqual([
      ["/query", "text"],
      ["/count", "integer"],
      ["/orientation", "choice"],
      ["/safe", "switch"],
      ["/headers", "json"],
      ["/words", "lines"],
    ]);
    expect(fields[2]).toMatchObject({ choices: ["landscape", "portrait"], help: "Shape.", label: "Orientation" });
  });

  test("a schema that refers to itself ends", () => {
    const loop: Schema = { properties: { node: { $ref: "#/$defs/Node" } }, $defs: { Node: { $ref: "#/$defs/Node" } } };
    expect(fieldsOf(loop)).toHaveLength(1);
  });
});

describe("a payload from inputs", () => {
  test("what was left alone is left out: the task's defaults stay the task's", () => {
    const draft: Draft = { ...draftOf(fields), "/query": "mountains" };
    expect(draft["/count"]).toBe("10");
    expect(payloadOf(fields, draft)).toEqual({ payload: { query: "mountains" }, errors: {} });
  });

  test("text becomes the type that the schema asks for", () => {
    const draft = {
      "/query": "x",
      "/count": "3",
      "/orientation": '"portrait"',
      "/safe": false,
      "/headers": '{"a": "b"}',
      "/words": "one\n\ntwo",
    };
    expect(payloadOf(fields, draft).payload).toEqual({
      query: "x",
      count: 3,
      orientation: "portrait",
      safe: false,
      headers: { a: "b" },
      words: ["one", "two"],
    });
  });

  test("limits are said at their field", () => {
    const { errors } = payloadOf(fields, { "/count": "31", "/headers": "{", "/words": "" });
    expect(Object.keys(errors)).toEqual(["/query", "/count", "/headers"]);
    expect(errors["/count"]).toBe("At most 30.");
    expect(payloadOf(fields, { "/query": "x", "/count": "2.5" }).errors["/count"]).toMatch(/whole/);
  });

  test("an old payload fills the form and comes out again", () => {
    const payload = { query: "fog", count: 4, orientation: "landscape", words: ["a", "b"] };
    expect(payloadOf(fields, draftOf(fields, payload)).payload).toEqual(payload);
  });

  test("a field named __proto__ is only a field", () => {
    const odd = fieldsOf({ properties: { ["__proto__"]: { type: "string" } } as Record<string, Schema> });
    const { payload } = payloadOf(odd, { "/__proto__": "x" });
    expect(Object.getPrototypeOf(payload)).toBe(Object.prototype);
    expect(JSON.stringify(payload)).toBe('{"__proto__":"x"}');
  });
});
