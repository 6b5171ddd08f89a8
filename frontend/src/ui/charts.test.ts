import { expect, test } from "vitest";
import { ceilingOf } from "./charts";

test("a chart ends at the next round number above its highest value", () => {
  expect([0, 0.03, 1, 3, 8, 412, 1_001].map(ceilingOf)).toEqual([1, 0.04, 1, 4, 10, 500, 2_000]);
});
