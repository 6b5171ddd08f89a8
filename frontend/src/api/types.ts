/** The shapes of the HTTP API as the page reads them. Unknown fields are ignored, so an older page works with a newer API. */

export const JOB_STATES = ["pending", "waiting", "running", "succeeded", "failed", "cancelled"] as const;
export type JobState = (typeof JOB_STATES)[number];

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type ErrorKind = "rejected" | "exhausted" | "timed_out" | "stalled" | "expired";

export interface JobError {
  /** Null while another attempt may follow. */
  kind: ErrorKind | null;
  type: string;
  message: string;
}

export interface Job {
  id: string;
  task: string;
  state: JobState;
  reason: string | null;
  version: number;
  revision: number;
  attempt: number;
  max_attempts: number;
  payload: Json;
  result: Json;
  result_url?: string | null;
  error: JobError | null;
  progress: { percent: number | null; message: string | null } | null;
  tags: string[];
  batch: string | null;
  unique_key: string | null;
  priority: "normal" | "low";
  expire_by: string | null;
  cancel_requested: boolean;
  redrives: number;
  wake_at: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface JobPage {
  jobs: Job[];
  next_cursor: string | null;
}

export interface Attempt {
  attempt: number;
  worker: string | null;
  started_at: string;
  finished_at: string | null;
  outcome: string | null;
  error: { kind?: string; type: string; message: string } | null;
}

/** The part of JSON Schema that pydantic writes for a task's payload. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  const?: Json;
  enum?: Json[];
  examples?: Json[];
  format?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
}

/** Since when a task is paused, by whom, and why. */
export interface Pause {
  at: string;
  by: "person" | "brake";
  reason: string | null;
}

/** Somebody else's service that a task calls. */
export interface Upstream {
  name: string;
  tasks: string[];
  /** Of all keys together; null where none is known. */
  quota: {
    limit: number;
    window_seconds: number;
    remaining: number;
    /** When the next used call comes back; null if none is used. */
    resets_at: string | null;
    /** Jobs that have a place in the queue. */
    waiting: number;
  } | null;
  breaker: {
    state: "closed" | "open" | "half_open";
    since: string | null;
    retry_at: string | null;
    reason: string | null;
  };
}

export interface Task {
  name: string;
  description: string | null;
  payload_schema: Schema;
  result_schema: Schema | null;
  options: Record<string, Json>;
  paused: boolean;
  pause: Pause | null;
  /** Missing from an older API. */
  upstreams?: Upstream[];
}

/** A line of GET /jobs/{id}/logs. */
export interface LogLine {
  at: string;
  attempt: number;
  level: string;
  message: string;
}

export interface Submission {
  task: string;
  payload: Json;
  delay?: number;
  max_attempts?: number;
  timeout?: number;
  tags?: string[];
  unique_key?: string;
  priority?: "normal" | "low";
  expires_in?: number;
}

/** What POST /jobs/cancel did, or would do. */
export interface CancelledMany {
  matched: number;
  cancelled: number;
  requested: number;
  complete: boolean;
}

export type StateCounts = Partial<Record<JobState, number>>;

export interface WorkerStats {
  id: string;
  host?: string | null;
  slots: number;
  busy: number;
  tasks?: string[];
}

/** A percentile pair in seconds; null where nothing was measured. */
export interface Percentiles {
  p50: number | null;
  p95: number | null;
}

/** What one task did in one minute. */
export interface TaskMinute {
  minute: string;
  task: string;
  finished: number;
  failed: number;
  wait: Percentiles | null;
  run: Percentiles | null;
}

export interface Stats {
  jobs: StateCounts;
  tasks?: Record<string, StateCounts>;
  oldest_pending_seconds: number | null;
  finished_last_minute: number;
  /** Null while Kafka is away. */
  lag: Record<string, number> | null;
  workers: WorkerStats[];
  pauses: Record<string, Pause>;
  upstreams?: Upstream[];
  streams: number;
  /** Only if asked for, of an API that keeps them. */
  minutes?: TaskMinute[];
}

export interface DeadLetter {
  id: string;
  kind: string;
  job: string | null;
  task: string | null;
  error: { type: string; message: string };
  attempts: number | null;
  origin: { topic: string; partition: number; offset: number; timestamp?: string | null };
  source?: { topic: string; partition: number; offset: number } | null;
  raw: string | null;
  redriven: number;
  created_at: string;
}

export interface DeadLetterPage {
  dead_letters: DeadLetter[];
  next_cursor: string | null;
}

/** Letters of one task, kind and type of error. */
export interface LetterGroup {
  /** Null for bytes that were no message. */
  task: string | null;
  kind: string;
  error_type: string | null;
  count: number;
  first: string;
  last: string;
}

export interface LetterGroups {
  groups: LetterGroup[];
  /** False where the API has not counted, or not shown, all. */
  complete?: boolean;
}

/** What POST /dead-letters/redrive did, or would do. */
export interface RedrivenMany {
  matched: number;
  redriven: number;
  skipped: number;
  complete: boolean;
}

/** An answer of RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  errors?: { pointer: string; detail: string }[];
}

export function isFinal(state: JobState): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}
