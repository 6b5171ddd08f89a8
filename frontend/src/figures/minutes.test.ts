import { expect, test } from "vitest";
import type { TaskMinute } from "../api/types";
import { failingTasks, lastMinutes, lately, spanOf } from "./minutes";

const NOW = Date.parse("2026-11-24T10:10:30Z");
const entry = (minute: string, task: string, finished: number, failed: number, p50 = 1): TaskMinute => ({
  minute: `2026-11-24T10:${minute}:00Z`,
  task,
  finished,
  failed,
  wait: { p50, p95: null },
  run: { p50, p95: 2 * p50 },
});

test("the last minutes have no gaps, and end with the present one", () => {
  const minutes = lastMinutes([entry("08", "a", 3, 1), entry("10", "a", 5, 0), entry("05", "a", 9, 9)], NOW, 3);
  expect(minutes.map(({ succeeded, failed }) => [succeeded, failed])).toEqual([
    [3, 1],
    [0, 0],
    [5, 0],
  ]);
  expect(minutes.at(-1)?.at).toBe(Date.parse("2026-11-24T10:10:00Z"));
});

test("tasks of one minute are added, their percentiles weighted by their jobs", () => {
  const [minute] = lastMinutes([entry("10", "a", 3, 0, 1), entry("10", "b", 1, 0, 5)], NOW, 1);
  expect(minute).toMatchObject({ succeeded: 4, wait: { p50: 2, p95: null }, run: { p50: 2, p95: 4 } });
});

test("one task is told apart from the others", () => {
  const minutes = [entry("09", "a", 3, 2), entry("10", "b", 7, 0), entry("01", "a", 50, 0)];
  expect(lately(minutes, NOW, 5, "a")).toMatchObject({ succeeded: 3, failed: 2 });
});

test("a young system is drawn over a quarter of an hour, an old one over a whole", () => {
  expect(spanOf([], NOW)).toBe(15);
  expect(spanOf([entry("01", "a", 1, 0)], NOW)).toBe(15);
  expect(spanOf([{ ...entry("00", "a", 1, 0), minute: "2026-11-24T09:45:00Z" }], NOW)).toBe(30);
  expect(spanOf([{ ...entry("00", "a", 1, 0), minute: "2026-11-24T09:12:00Z" }], NOW)).toBe(60);
});

test("a task is failing if a tenth of what it ended lately has failed", () => {
  const minutes = [
    entry("10", "few", 99, 1),
    entry("10", "many", 9, 1),
    entry("09", "all", 0, 30),
    entry("01", "old", 0, 5),
  ];
  expect(failingTasks(minutes, NOW).map(({ task }) => task)).toEqual(["all", "many"]);
});
