import { expect, test } from "vitest";
import { snippetsOf } from "./snippets";

const [curl, python, javascript] = snippetsOf("http://localhost:8000", {
  task: "image.search",
  payload: { query: "it's late", safe: true, shape: null },
}).map(({ text }) => text);

test("the shell gets its quotes back", () => {
  expect(curl).toContain(`it'\\''s late`);
});

test("Python gets Python's words", () => {
  expect(python).toContain('"safe": True, "shape": None');
});

test("JavaScript gets the object", () => {
  expect(javascript).toContain('"query": "it\'s late"');
});
