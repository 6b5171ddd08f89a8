import type { AskedJobPage, JobFilter } from "../api/queries";
import type { Job } from "../api/types";
import { type LiveSnapshot, newerView, withProgress } from "./live-jobs";

/** True if the API would list this job under the filter. */
export function matches(job: Job, { state, tag, ...single }: JobFilter): boolean {
  return (
    (state.length === 0 || state.includes(job.state)) &&
    tag.every((wanted) => job.tags.includes(wanted)) &&
    (!single.task || job.task === single.task) &&
    (!single.batch || job.batch === single.batch) &&
    (!single.error_type || (job.state === "failed" && job.error?.type === single.error_type)) &&
    (!single.created_after || Date.parse(job.created_at) >= Date.parse(single.created_after)) &&
    (!single.created_before || Date.parse(job.created_at) < Date.parse(single.created_before))
  );
}

/** What was read of a list, made ready for being merged with events again and again. */
export interface ReadList {
  jobs: readonly Job[];
  places: ReadonlyMap<string, number>;
  /** When its first page was asked for. */
  askedAt: number;
  /** The last id read, if there are older ones. */
  end: string | null;
}

export function readList(pages: readonly AskedJobPage[]): ReadList {
  const jobs: Job[] = [];
  const places = new Map<string, number>();
  for (const page of pages)
    for (const job of page.jobs) {
      if (places.has(job.id)) continue;
      places.set(job.id, jobs.length);
      jobs.push(job);
    }
  const more = Boolean(pages.at(-1)?.next_cursor);
  return { jobs, places, askedAt: pages[0]?.askedAt ?? 0, end: (more && jobs.at(-1)?.id) || null };
}

const newestFirst = (a: Job, b: Job): number => (a.id < b.id ? 1 : -1);

/**
 * The list as it is now: what was read, with what the stream told since, newest first.
 *
 * A job that the pages lack is added only if its event came after they were asked for (an older event of a job that is
 * not in the answer tells of one deleted since), and only inside the range that the pages cover. Ids are UUIDv7: their
 * order is the order of submission. It runs ten times a second under ten thousand rows: only what the stream has told of
 * is looked at.
 */
export function mergeJobs(list: ReadList, live: LiveSnapshot, filter: JobFilter): Job[] {
  const rows: (Job | null)[] = [...list.jobs];
  const added: Job[] = [];
  for (const [id, { job, receivedAt }] of live.jobs) {
    const place = list.places.get(id);
    if (place !== undefined) {
      const newest = newerView(list.jobs[place], job);
      rows[place] = matches(newest, filter) ? newest : null;
    } else if (receivedAt >= list.askedAt && (list.end === null || id > list.end) && matches(job, filter)) {
      added.push(withProgress(job, live.progress.get(id)));
    }
  }
  for (const [id, progress] of live.progress) {
    const place = list.places.get(id);
    const job = place === undefined ? null : rows[place];
    if (place !== undefined && job) rows[place] = withProgress(job, progress);
  }
  for (const id of live.deleted) {
    const place = list.places.get(id);
    if (place !== undefined) rows[place] = null;
  }
  const known = rows.filter((job) => job !== null);
  return added.length ? inOrder(added.filter(({ id }) => !live.deleted.has(id)).sort(newestFirst), known) : known;
}

/** Two lists, each newest first, as one. */
function inOrder(some: readonly Job[], others: readonly Job[]): Job[] {
  const merged: Job[] = [];
  let at = 0;
  for (const job of some) {
    for (let other = others[at]; other && other.id > job.id; other = others[at]) {
      merged.push(other);
      at += 1;
    }
    merged.push(job);
  }
  // Not spread into push(): ten thousand arguments are a deep stack.
  return merged.concat(others.slice(at));
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
