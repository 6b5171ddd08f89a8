import type { AskedJobPage, JobFilter } from "../api/queries";
import type { Job } from "../api/types";
import { type LiveSnapshot, newerView, withProgress } from "./live-jobs";

/** True if the API would list this job under the filter. */
export function matches(job: Job, { state, task, tag }: JobFilter): boolean {
  return (
    (state.length === 0 || state.includes(job.state)) &&
    (task === null || job.task === task) &&
    tag.every((wanted) => job.tags.includes(wanted))
  );
}

/**
 * The list as it is now: what was read, with what the stream told since, newest first.
 *
 * A job that the pages lack is added only if its event came after they were asked for (an older event of a job that is
 * not in the answer tells of one deleted since), and only inside the range that the pages cover. Ids are UUIDv7: their
 * order is the order of submission.
 */
export function mergeJobs(pages: readonly AskedJobPage[], live: LiveSnapshot, filter: JobFilter): Job[] {
  const merged = new Map<string, Job>();
  for (const page of pages) for (const job of page.jobs) merged.set(job.id, job);

  const askedAt = pages[0]?.askedAt ?? 0;
  const last = pages.at(-1);
  const end = last?.next_cursor ? last.jobs.at(-1)?.id : undefined;
  for (const [id, { job, receivedAt }] of live.jobs) {
    const known = merged.get(id);
    if (known) merged.set(id, newerView(known, job));
    else if (receivedAt >= askedAt && (end === undefined || id > end)) merged.set(id, job);
  }

  return [...merged.values()]
    .filter((job) => matches(job, filter) && !live.deleted.has(job.id))
    .map((job) => withProgress(job, live.progress.get(job.id)))
    .sort((a, b) => (a.id < b.id ? 1 : -1));
}

/** What a reader who has scrolled sees: the rows he had, then older ones; new ones wait behind a pill. */
export function holdStill(jobs: readonly Job[], held: ReadonlyMap<string, Job>): { rows: Job[]; waiting: number } {
  const now = new Map(jobs.map((job) => [job.id, job]));
  const lastHeld = [...held.keys()].at(-1) ?? "";
  const kept = [...held.values()].map((job) => now.get(job.id) ?? job);
  const older = jobs.filter((job) => job.id < lastHeld && !held.has(job.id));
  return {
    rows: [...kept, ...older],
    waiting: jobs.length - older.length - jobs.filter((job) => held.has(job.id)).length,
  };
}
