import { expect, test } from "vitest";
import { aJob } from "../testing/jobs";
import { ticksOf, timelineOf } from "./timeline";

const at = (seconds: number) => new Date(Date.parse("2026-11-24T10:00:00Z") + seconds * 1_000).toISOString();
const ms = (seconds: number) => Date.parse(at(seconds));
const attempt = (n: number, from: number, to: number | null, outcome: string | null = "retry") => ({
  attempt: n,
  worker: "w",
  started_at: at(from),
  finished_at: to === null ? null : at(to),
  outcome,
  error: outcome === "retry" ? { type: "Unavailable", message: "503" } : null,
});
const brief = (segments: ReturnType<typeof timelineOf>) =>
  segments.map(({ kind, start, end, tone }) => [kind, (start - ms(0)) / 1_000, (end - ms(0)) / 1_000, tone]);

test("a job that succeeded at the second attempt: queue, attempt, wait, attempt, without gaps", () => {
  const job = aJob(1, { state: "succeeded", attempt: 2, started_at: at(1), finished_at: at(9) });
  const attempts = [attempt(1, 1, 3), attempt(2, 7, 9, "succeeded")];
  expect(brief(timelineOf(job, attempts, ms(500)))).toEqual([
    ["queue", 0, 1, "neutral"],
    ["attempt", 1, 3, "bad"],
    ["wait", 3, 7, "neutral"],
    ["attempt", 7, 9, "good"],
  ]);
});

test("a running attempt lasts until now, whether the history has it or not", () => {
  const job = aJob(1, { state: "running", attempt: 1, started_at: at(1) });
  const expected = [
    ["queue", 0, 1, "neutral"],
    ["attempt", 1, 5, "running"],
  ];
  expect(brief(timelineOf(job, [], ms(5)))).toEqual(expected);
  expect(brief(timelineOf(job, [attempt(1, 1, null, null)], ms(5)))).toEqual(expected);
});

test("a job that waits for something else than time is drawn up to now", () => {
  for (const reason of ["paused", "low_priority", "no_worker"] as const) {
    const job = aJob(1, { state: "waiting", reason, wake_at: at(86_400) });
    expect(timelineOf(job, [], ms(5)).map(({ until, end }) => [until, end])).toEqual([[null, ms(5)]]);
  }
});

test("a retry to come is drawn up to its time, with its reason", () => {
  const job = aJob(1, { state: "waiting", reason: "retry", attempt: 1, started_at: at(1), wake_at: at(20) });
  const last = timelineOf(job, [attempt(1, 1, 3)], ms(5)).at(-1);
  expect(last).toMatchObject({ kind: "wait", label: "Next attempt", open: true, until: ms(20) });
});

test("a job cancelled before it ran was only queued", () => {
  const job = aJob(1, { state: "cancelled", finished_at: at(4) });
  expect(brief(timelineOf(job, [], ms(99)))).toEqual([["queue", 0, 4, "neutral"]]);
});

test("a reader's clock that is behind draws nothing backwards", () => {
  const job = aJob(1, { state: "running", attempt: 1, started_at: at(1) });
  for (const { start, end } of timelineOf(job, [], ms(-60))) expect(end).toBeGreaterThanOrEqual(start);
});

test("a scale has round marks and few of them, from milliseconds to days", () => {
  expect(ticksOf(1_900)).toEqual([0, 500, 1_000, 1_500]);
  for (const span of [1, 40, 900, 61_000, 7_200_000, 400_000_000]) {
    expect(ticksOf(span).length).toBeLessThanOrEqual(6);
  }
});
