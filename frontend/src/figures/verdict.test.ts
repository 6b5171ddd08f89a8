import { expect, test } from "vitest";
import { someStats } from "../testing/stats";
import { verdictOf } from "./verdict";

const NOW = Date.parse("2026-11-24T10:10:30Z");
const NONE = { p50: null, p95: null };
const LIVE = { state: "live", reason: null, retryAt: null, heardAt: NOW } as const;
const LOST = { state: "reconnecting", reason: "lost", retryAt: NOW + 1, heardAt: NOW } as const;

test("all is well while workers live, nothing is paused and nothing fails", () => {
  expect(verdictOf(someStats(), LIVE, NOW)).toEqual({ kind: "good", title: "All is well", findings: [] });
});

test("a lost connection outweighs everything: what is shown is old", () => {
  expect(verdictOf(someStats({ workers: [] }), LOST, NOW).title).toContain("Not connected");
});

test("failing tasks are counted, and each leads to its failed jobs", () => {
  const minute = { minute: "2026-11-24T10:10:00Z", task: "sleep", finished: 1, failed: 9, wait: NONE, run: NONE };
  const verdict = verdictOf(someStats({ minutes: [minute] }), LIVE, NOW);
  expect(verdict).toMatchObject({ kind: "bad", title: "One task is failing" });
  expect(verdict.findings[0]?.to).toEqual({
    view: "jobs",
    search: { task: "sleep", state: ["failed"], created_after: "15m" },
  });
});

test("no worker, a paused task, Kafka away and a long wait are each said", () => {
  const stats = someStats({
    workers: [],
    pauses: { noop: { at: "2026-11-24T10:00:00Z", by: "person" as const, reason: "it moves" } },
    no_worker: { greet: 60_000 },
    lag: null,
    oldest_pending_seconds: 300,
  });
  const verdict = verdictOf(stats, LIVE, NOW);
  expect(verdict.title).toBe("Nothing runs");
  expect(verdict.findings).toHaveLength(5);
  expect(verdict.findings.map(({ to }) => to)).toContainEqual({
    view: "jobs",
    search: { task: "greet", state: ["waiting"] },
  });
  expect(verdict.findings.map(({ text }) => text)).toContain("noop is paused: it moves");
});
