import { expect, test } from "vitest";
import { backoffDelay } from "../src/backoff.ts";

test("the ceiling doubles up to the cap", () => {
  const ceilings = [1, 2, 3, 6, 50].map((failures) => backoffDelay(failures, () => 1));
  expect(ceilings).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
});

test("the jitter is full: any wait from zero to the ceiling", () => {
  expect(backoffDelay(4, () => 0)).toBe(0);
  expect(backoffDelay(4, () => 0.5)).toBe(4_000);
});
