import { expect, test } from "vitest";
import type { JobFilter } from "../api/queries";
import type { Job } from "../api/types";
import { aJob } from "../testing/jobs";
import type { LiveSnapshot } from "./live-jobs";
import { holdStill, mergeJobs } from "./merge";

const ALL: JobFilter = { state: [], task: null, tag: [] };

function live(jobs: [Job, number][], more: Partial<LiveSnapshot> = {}): LiveSnapshot {
  return {
    jobs: new Map(jobs.map(([job, receivedAt]) => [job.id, { job, receivedAt }])),
    progress: new Map(),
    deleted: new Set(),
    ...more,
  };
}

const page = (jobs: Job[], next_cursor: string | null = null) => ({ jobs, next_cursor, askedAt: 100 });
const ids = (jobs: Job[]) => jobs.map(({ id }) => Number(id.slice(-6)));

test("an event that came after the list was asked for adds its job on top", () => {
  const merged = mergeJobs([page([aJob(2), aJob(1)])], live([[aJob(3), 150]]), ALL);
  expect(ids(merged)).toEqual([3, 2, 1]);
});

test("an older event of a job that the list lacks tells of one deleted since", () => {
  expect(ids(mergeJobs([page([aJob(1)])], live([[aJob(3), 50]]), ALL))).toEqual([1]);
});

test("a job older than what was read so far waits for its page", () => {
  expect(ids(mergeJobs([page([aJob(9), aJob(8)], "more")], live([[aJob(3), 150]]), ALL))).toEqual([9, 8]);
});

test("of two views of a job the newer one counts, whichever way it came", () => {
  const read = aJob(1, { version: 3, state: "succeeded" });
  const told = aJob(1, { version: 2, state: "running" });
  expect(mergeJobs([page([read])], live([[told, 150]]), ALL)[0]?.state).toBe("succeeded");
  expect(mergeJobs([page([told])], live([[read, 50]]), ALL)[0]?.state).toBe("succeeded");
});

test("a view cut short by the list stream keeps the payload that is known", () => {
  const told = aJob(1, { version: 2, state: "running", payload: null });
  expect(mergeJobs([page([aJob(1)])], live([[told, 150]]), ALL)[0]?.payload).toEqual({ query: "query 1" });
});

test("a job that no longer matches the filter leaves, one that now matches comes", () => {
  const filter: JobFilter = { ...ALL, state: ["running"] };
  const left = aJob(1, { version: 3, state: "succeeded" });
  const came = aJob(2, { version: 2, state: "running" });
  const merged = mergeJobs(
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
  expect(mergeJobs([page([running])], live([], { progress }), ALL)[0]?.progress?.percent).toBe(40);
  const moved = { ...running, version: 3 };
  expect(mergeJobs([page([moved])], live([], { progress }), ALL)[0]?.progress).toBeNull();
});

test("what this page deleted is gone at once", () => {
  const deleted = new Set([aJob(1).id]);
  expect(mergeJobs([page([aJob(2), aJob(1)])], live([], { deleted }), ALL)).toHaveLength(1);
});

test("under a reader nothing moves: new rows are counted, gone ones stay, older ones follow", () => {
  const held = new Map([aJob(5), aJob(4, { state: "running" })].map((job) => [job.id, job]));
  const { rows, waiting } = holdStill([aJob(7), aJob(6), aJob(5, { state: "failed" }), aJob(3)], held);
  expect(ids(rows)).toEqual([5, 4, 3]);
  expect(rows[0]?.state).toBe("failed");
  expect(waiting).toBe(2);
});
