import { expect, test } from "vitest";
import { EventParser, type StreamEvent } from "../src/parser.ts";

function read(...pieces: string[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const parser = new EventParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}

const STREAM = 'retry: 1500\n\nevent: job\nid: 2.0\ndata: {"a":1}\n\n: nothing\n\nid: 3.0\n\ndata:x\ndata: y\ndata\n\n';
const EXPECTED = [
  { type: "message", data: "", id: "", retry: 1500 },
  { type: "job", data: '{"a":1}', id: "2.0", retry: 1500 },
  { type: "message", data: "", id: "2.0", retry: 1500 },
  { type: "message", data: "", id: "3.0", retry: 1500 },
  { type: "message", data: "x\ny\n", id: "3.0", retry: 1500 },
];

test("a stream is read the same wherever it is cut, and whatever ends its lines", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    const stream = STREAM.replaceAll("\n", end);
    expect(read(stream)).toEqual(EXPECTED);
    expect(read(...stream)).toEqual(EXPECTED);
    for (let cut = 1; cut < stream.length; cut++) {
      expect(read(stream.slice(0, cut), "", stream.slice(cut))).toEqual(EXPECTED);
    }
  }
});

test("an event that has not ended is not told", () => {
  expect(read("event: job\ndata: {}\n")).toEqual([]);
});

test("an id with a NUL and a retry that is no number do not count, an empty id does", () => {
  expect(read("id: 1\nid: a\0b\nretry: 1s\n\nid\n\n").map(({ id, retry }) => [id, retry])).toEqual([
    ["1", null],
    ["", null],
  ]);
});

test("a stream that goes on begins with the id of the one before", () => {
  const ids: string[] = [];
  new EventParser(({ id }) => ids.push(id), "7.1").push("data: x\n\n");
  expect(ids).toEqual(["7.1"]);
});

test("what ends a line elsewhere is part of a value here", () => {
  for (const odd of ["\u2028", "\u2029", "\u0085", "\v", "\f", "\0"]) {
    expect(read(`event: a${odd}b\ndata: c${odd}d\n\n`)).toEqual([
      { type: `a${odd}b`, data: `c${odd}d`, id: "", retry: null },
    ]);
  }
});
