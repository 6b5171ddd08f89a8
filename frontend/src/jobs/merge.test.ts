import { expect, test } from "vitest";
import type { AskedJobPage, JobFilter } from "../api/queries";
import type { Job } from "../api/types";
import { aJob } from "../testing/jobs";
import type { LiveSnapshot } from "./live-jobs";
import { holdStill, matches, mergeJobs, readList } from "./merge";

const ALL: JobFilter = { state: [], tag: [] };

function live(jobs: [Job, number][], more: Partial<LiveSnapshot> = {}): LiveSnapshot {
  return {
    jobs: new Map(jobs.map(([job, receivedAt]) => [job.id, { job, receivedAt }])),
    progress: new Map(),
    deleted: new Set(),
    ...more,
  };
}

const merge = (pages: AskedJobPage[], told: LiveSnapshot, filter: JobFilter) =>
  mergeJobs(readList(pages), told, filter);
const page = (jobs: Job[], next_cursor: string | null = null) => ({ jobs, next_cursor, askedAt: 100 });
const ids = (jobs: Job[]) => jobs.map(({ id }) => Number(id.slice(-6)));

test("an event that came after the list was asked for adds its job on top", () => {
  const merged = merge([page([aJob(2), aJob(1)])], live([[aJob(3), 150]]), ALL);
  expect(ids(merged)).toEqual([3, 2, 1]);
});

test("an older event of a job that the list lacks tells of one deleted since", () => {
  expect(ids(merge([page([aJob(1)])], live([[aJob(3), 50]]), ALL))).toEqual([1]);
});

test("a job older than what was read so far waits for its page", () => {
  expect(ids(merge([page([aJob(9), aJob(8)], "more")], live([[aJob(3), 150]]), ALL))).toEqual([9, 8]);
});

test("of two views of a job the newer one counts, whichever way it came", () => {
  const read = aJob(1, { version: 3, state: "succeeded" });
  const told = aJob(1, { version: 2, state: "running" });
  expect(merge([page([read])], live([[told, 150]]), ALL)[0]?.state).toBe("succeeded");
  expect(merge([page([told])], live([[read, 50]]), ALL)[0]?.state).toBe("succeeded");
});

test("a view cut short by the list stream keeps the payload that is known", () => {
  const told = aJob(1, { version: 2, state: "running", payload: null });
  expect(merge([page([aJob(1)])], live([[told, 150]]), ALL)[0]?.payload).toEqual({ query: "query 1" });
});

test("a job that no longer matches the filter leaves, one that now matches comes", () => {
  const filter: JobFilter = { ...ALL, state: ["running"] };
  const left = aJob(1, { version: 3, state: "succeeded" });
  const came = aJob(2, { version: 2, state: "running" });
  const merged = merge(
    [page([aJob(1, { version: 2, state: "running" })])],
    live([
      [left, 150],
      [came, 150],
    ]),
    filter,
  );
  expect(ids(merged)).toEqual([2]);
});

test("progress belongs to one version only", () => {
  const running = aJob(1, { version: 2, state: "running" });
  const told = { id: running.id, version: 2, revision: 1, percent: 40, message: "2 of 5" };
  const progress = new Map([[running.id, told]]);
  expect(merge([page([running])], live([], { progress }), ALL)[0]?.progress?.percent).toBe(40);
  const moved = { ...running, version: 3 };
  expect(merge([page([moved])], live([], { progress }), ALL)[0]?.progress).toBeNull();
});

test("what this page deleted is gone at once", () => {
  const deleted = new Set([aJob(1).id]);
  expect(merge([page([aJob(2), aJob(1)])], live([], { deleted }), ALL)).toHaveLength(1);
});

test("under a reader nothing moves: new rows are counted, gone ones stay, older ones follow", () => {
  const held = new Map([aJob(5), aJob(4, { state: "running" })].map((job) => [job.id, job]));
  const { rows, waiting } = holdStill([aJob(7), aJob(6), aJob(5, { state: "failed" }), aJob(3)], held);
  expect(ids(rows)).toEqual([5, 4, 3]);
  expect(rows[0]?.state).toBe("failed");
  expect(waiting).toBe(2);
});

test("new jobs find their places between those that were read", () => {
  const pages = [page([aJob(8), aJob(5)], "more"), page([aJob(4), aJob(2)])];
  const told = live([9, 6, 7, 3, 1].map((n) => [aJob(n), 150]));
  expect(ids(merge(pages, told, ALL))).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test("a filter looks at batch, time and the error of what has failed, as the API does", () => {
  const error = { kind: "exhausted" as const, type: "ConnectError", message: "" };
  const job = aJob(1, { state: "failed", batch: "b1", error });
  expect(matches(job, { ...ALL, batch: "b1", error_type: "ConnectError" })).toBe(true);
  expect(matches(job, { ...ALL, batch: "b2" })).toBe(false);
  expect(matches({ ...job, state: "waiting" }, { ...ALL, error_type: "ConnectError" })).toBe(false);
  expect(matches(job, { ...ALL, created_after: job.created_at })).toBe(true);
  expect(matches(job, { ...ALL, created_before: job.created_at })).toBe(false);
});

test("ten thousand rows are merged with a hundred events in a small part of a frame's many", () => {
  const pages = [page(Array.from({ length: 10_000 }, (_, n) => aJob(20_000 - n)))];
  const told = live(
    Array.from({ length: 100 }, (_, n) => [aJob(20_000 - 90 * n, { version: 2, state: "running" }), 150]),
  );
  const list = readList(pages);
  const before = performance.now();
  for (let turn = 0; turn < 10; turn++) expect(mergeJobs(list, told, ALL)).toHaveLength(10_000);
  const merging = performance.now() - before;
  const copying = performance.now();
  for (let turn = 0; turn < 10; turn++) readList(pages);
  // Within one run: merging is no dearer than reading the list in once was, times five for a busy machine.
  expect(merging).toBeLessThan(5 * (performance.now() - copying));
});
