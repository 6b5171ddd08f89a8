import type { LiveProgress } from "jobstream-events";
import { comparePositions } from "jobstream-events";
import type { Job } from "../api/types";

export interface LiveEntry {
  job: Job;
  /** When the newest view came (ms since the epoch). */
  receivedAt: number;
}

export interface LiveSnapshot {
  jobs: ReadonlyMap<string, LiveEntry>;
  progress: ReadonlyMap<string, LiveProgress>;
  /** Jobs deleted by this page: no event tells of them. */
  deleted: ReadonlySet<string>;
}

const CAPACITY = 6_000;
/** A busy stream must not draw the page a hundred times a second. */
const SETTLE = 100;

/**
 * What the list stream has told, beside what was read with `GET /jobs`.
 *
 * Kept as a snapshot that changes at most ten times a second, so that React draws bursts at once. When more came than is
 * kept, the list has holes: `onOverflow` asks its owner to read it again.
 */
export class LiveJobs {
  readonly #listeners = new Set<() => void>();
  readonly #jobs = new Map<string, LiveEntry>();
  readonly #progress = new Map<string, LiveProgress>();
  readonly #deleted = new Set<string>();
  readonly #onOverflow: () => void;
  #snapshot: LiveSnapshot = { jobs: new Map(), progress: new Map(), deleted: new Set() };
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor({ onOverflow }: { onOverflow: () => void }) {
    this.#onOverflow = onOverflow;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): LiveSnapshot => this.#snapshot;

  apply(told: Job): void {
    // The answer to an action may come after the event of a later move.
    const job = newerView(this.#jobs.get(told.id)?.job, told);
    this.#jobs.delete(job.id);
    this.#jobs.set(job.id, { job, receivedAt: Date.now() });
    if (this.#jobs.size > CAPACITY) {
      for (const id of [...this.#jobs.keys()].slice(0, CAPACITY / 2)) this.#jobs.delete(id);
      this.#onOverflow();
    }
    this.#changed();
  }

  applyProgress(progress: LiveProgress): void {
    this.#progress.delete(progress.id);
    this.#progress.set(progress.id, progress);
    if (this.#progress.size > CAPACITY) {
      const oldest = this.#progress.keys().next().value;
      if (oldest !== undefined) this.#progress.delete(oldest);
    }
    this.#changed();
  }

  forget(id: string): void {
    this.#deleted.add(id);
    this.#jobs.delete(id);
    this.#changed();
  }

  #changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#snapshot = {
        jobs: new Map(this.#jobs),
        progress: new Map(this.#progress),
        deleted: new Set(this.#deleted),
      };
      for (const listener of this.#listeners) listener();
    }, SETTLE);
  }
}

/** The view with the newest progress of its own version laid over it. */
export function withProgress(job: Job, progress: LiveProgress | undefined): Job {
  if (!progress || progress.version !== job.version || progress.revision <= job.revision) return job;
  return { ...job, revision: progress.revision, progress: { percent: progress.percent, message: progress.message } };
}

/** The newer of two views; a view cut short by the list stream keeps the bodies that are already known. */
export function newerView(known: Job | undefined, told: Job): Job {
  if (!known) return told;
  if (comparePositions(told, known) <= 0) return known;
  const sameResult = told.version === known.version;
  return {
    ...told,
    payload: told.payload ?? known.payload,
    result: told.result ?? (sameResult ? known.result : null),
  };
}
