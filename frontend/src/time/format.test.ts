import { expect, test } from "vitest";
import { formatAge, formatDuration } from "./format";

test("durations are short and never negative", () => {
  const spans = [-5, 0, 3, 999, 1_240, 9_960, 59_400, 59_600, 245_000, 12_000_000, 187_200_000];
  expect(spans.map(formatDuration)).toEqual([
    "0 ms",
    "0 ms",
    "3 ms",
    "999 ms",
    "1.2 s",
    "10 s",
    "59 s",
    "1 m 00 s",
    "4 m 05 s",
    "3 h 20 m",
    "2 d 4 h",
  ]);
});

test("ages have one unit", () => {
  expect([-1, 900, 5_000, 90_000, 7_200_000, 200_000_000].map(formatAge)).toEqual([
    "now",
    "now",
    "5 s",
    "1 m",
    "2 h",
    "2 d",
  ]);
});
