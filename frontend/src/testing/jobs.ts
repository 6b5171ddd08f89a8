import type { Job } from "../api/types";

/** A job as the API shows it; `n` makes its id, and later numbers sort as later jobs. */
export function aJob(n: number, fields: Partial<Job> = {}): Job {
  return {
    id: `0198f3aa-0000-7000-8000-${String(n).padStart(12, "0")}`,
    task: "image.search",
    state: "pending",
    reason: null,
    version: 1,
    revision: 0,
    attempt: 0,
    max_attempts: 5,
    payload: { query: `query ${n}` },
    result: null,
    error: null,
    progress: null,
    tags: [],
    batch: null,
    unique_key: null,
    priority: "normal",
    expire_by: null,
    cancel_requested: false,
    redrives: 0,
    wake_at: null,
    created_at: "2026-11-24T10:00:00.000Z",
    started_at: null,
    finished_at: null,
    ...fields,
  };
}
