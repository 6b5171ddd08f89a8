// Generated from the API's OpenAPI schemas by `make docs`; `make check` compares. Edit the structs of the api instead.

/** Whatever JSON can hold: what passes through the API without being looked at. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One run of a job; the running one has no outcome yet. */
export interface Attempt {
  attempt: number;
  worker: string | null;
  started_at: string;
  finished_at: string | null;
  outcome: string | null;
  error: AttemptError | null;
}

/** How a run failed; with a kind if the job failed with it. */
export interface AttemptError {
  type: string;
  message: string;
  kind?: ErrorKind;
}

/** What POST /jobs/batch answers: the jobs in the order of the request. */
export interface BatchAnswer {
  batch: string;
  jobs: BatchedJob[];
}

/** Many jobs at once, all or none: the body of POST /jobs/batch. */
export interface BatchSubmission {
  /** Each as for POST /jobs */
  jobs: Submission[];
  /** For those who look at it */
  name?: string;
  /** Not available yet: refused */
  webhook?: Json;
}

/** What GET /batches/{id} answers; `done` when all are stored and none is live any more. */
export interface BatchView {
  id: string;
  name: string | null;
  created_at: string;
  total: number;
  jobs: Record<string, number>;
  done: boolean;
  webhook: null;
}

/** A job of a batch; of one that was removed since nobody knows the state. */
export interface BatchedJob {
  id: string;
  state: JobState | null;
}

/** Whether an upstream is called. */
export type BreakerState = "closed" | "open" | "half_open";

/** Whether an upstream is called: `closed`, `open` (not before `retry_at`), `half_open` (a probe is under way). */
export interface BreakerView {
  state: BreakerState;
  since: string | null;
  retry_at: string | null;
  reason: string | null;
}

/** Which live jobs to stop; at least one field. */
export interface CancelFilter {
  state?: "pending" | "running" | "waiting";
  task?: string;
  tag?: string;
  batch?: string;
}

/** The body of POST /jobs/cancel. */
export interface CancelMany {
  filter: CancelFilter;
  /** Change nothing; only count what would be changed */
  dry_run?: boolean;
}

/** How many live jobs passed the filter and were stopped; `complete` is false if there may be more. */
export interface CancelledMany {
  matched: number;
  cancelled: number;
  requested: number;
  complete: boolean;
}

/** A page of dead letters. */
export interface DeadLetterPage {
  dead_letters: DeadLetterView[];
  next_cursor: string | null;
}

/** A dead letter as GET /dead-letters shows it. */
export interface DeadLetterView {
  id: string;
  kind: string;
  job: string | null;
  task: string | null;
  owner: string | null;
  error: LetterError;
  attempts: number | null;
  origin: Place;
  source: Place | null;
  raw: string | null;
  redriven: number;
  created_at: string;
}

/** Why a job failed for good. */
export type ErrorKind = "rejected" | "exhausted" | "timed_out" | "stalled" | "expired";

/** What is wrong with one field. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** Why the job failed, or its last attempt did. */
export interface JobError {
  kind: ErrorKind | null;
  type: string;
  message: string;
}

/** A page of jobs. */
export interface JobPage {
  jobs: JobView[];
  next_cursor: string | null;
}

/** Where a job stands. */
export type JobState = "pending" | "waiting" | "running" | "succeeded" | "failed" | "cancelled";

/** A job as its owner sees it; also the data of every `job` event. */
export interface JobView {
  id: string;
  task: string;
  state: JobState;
  reason: WaitReason | null;
  version: number;
  revision: number;
  attempt: number;
  max_attempts: number;
  payload: Json;
  result: Json;
  result_url?: string;
  error: JobError | null;
  progress: Progress | null;
  tags: string[];
  batch: string | null;
  unique_key: string | null;
  priority: Priority;
  expire_by: string | null;
  cancel_requested: boolean;
  redrives: number;
  wake_at: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

/** Why it is here. */
export interface LetterError {
  type: string;
  message: string;
}

/** Letters of one task, kind and type of error: how many, the oldest and the newest. */
export interface LetterGroup {
  task: string | null;
  kind: string;
  error_type: string | null;
  count: number;
  first: string;
  last: string;
}

/** All groups, the largest first; `complete` says whether every letter is in them. */
export interface LetterGroups {
  groups: LetterGroup[];
  complete: boolean;
}

/** What the task has told while it ran. */
export interface LogLine {
  at: string;
  attempt: number;
  level: string;
  message: string;
}

/** The jobs of a task that ended in one minute. */
export interface MinuteView {
  minute: string;
  task: string;
  finished: number;
  failed: number;
  wait: Spans;
  run: Spans;
}

/** The optional body of POST /tasks/{name}/pause. */
export interface PauseOrder {
  /** For those who find it paused */
  reason?: string;
}

/** Since when a task is paused, by whom (`person` or `brake`), and why. */
export interface PauseView {
  at: string;
  by: PausedBy;
  reason: string | null;
}

/** Who has paused a task. */
export type PausedBy = "person" | "brake";

/** Where in Kafka a message stood. */
export interface Place {
  topic: string;
  partition: number;
  offset: number;
  timestamp: string | null;
}

/** low yields to jobs that are normal. */
export type Priority = "normal" | "low";

/** The JSON of a problem. */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  errors?: FieldError[];
}

/** How far the running attempt is. */
export interface Progress {
  percent: number;
  message: string | null;
}

/** What is left of an upstream's quota, of all keys together. */
export interface QuotaView {
  limit: number;
  window_seconds: number;
  remaining: number;
  resets_at: string | null;
  waiting: number;
}

/** How to start a failed job anew: the optional body of POST /jobs/{id}/redrive. */
export interface Redrive {
  /** Takes the place of the job's payload */
  payload?: Json;
  /** Redrive beyond the limit */
  force?: boolean;
}

/** Whose jobs to start anew: of dead letters that pass all that is given. */
export interface RedriveFilter {
  kind?: string;
  task?: string;
  error_type?: string;
  /** Stored at this moment or later */
  after?: string;
  /** Stored before this moment */
  before?: string;
}

/** The body of POST /dead-letters/redrive. */
export interface RedriveMany {
  filter: RedriveFilter;
  /** Jobs start one after the other at this rate; else at once */
  rate_per_second?: number;
  /** Change nothing; only count what would be changed */
  dry_run?: boolean;
}

/** How many jobs the matching letters speak of, and what became of them; `complete` is false if there are more. */
export interface RedrivenMany {
  matched: number;
  redriven: number;
  skipped: number;
  complete: boolean;
}

/** What to change about a waiting job: the body of PATCH /jobs/{id}. */
export interface Reschedule {
  /** Not before this moment, within 366 days */
  run_at?: string;
  /** low yields to jobs that are normal */
  priority?: "low" | "normal";
}

/** Within how many seconds half, and nearly all, stayed; null if none of them tells. */
export interface Spans {
  p50: number | null;
  p95: number | null;
}

/** What GET /stats answers. */
export interface Stats {
  jobs: Record<string, number>;
  tasks: Record<string, Record<string, number>>;
  counted_to: number | null;
  oldest_pending_seconds: number | null;
  finished_last_minute: number;
  lag: Record<string, number> | null;
  workers: WorkerView[];
  pauses: Record<string, PauseView>;
  no_worker: Record<string, number>;
  upstreams: UpstreamView[];
  streams: number;
  minutes?: MinuteView[];
}

/** A job to be done: the body of POST /jobs. */
export interface Submission {
  /** Name of a task, see GET /tasks */
  task: string;
  /** What the task's schema says */
  payload?: Json;
  /** Not before this moment, within 366 days */
  run_at?: string;
  /** Seconds from now; not together with run_at */
  delay?: number;
  /** The task's own number if left out */
  max_attempts?: number;
  /** Seconds an attempt may take */
  timeout?: number;
  /** To find jobs by */
  tags?: string[];
  /** At most one live job has it; while one does, it is the answer */
  unique_key?: string;
  /** low yields to jobs that are normal */
  priority?: "low" | "normal";
  /** Seconds from now; not to be started after that */
  expires_in?: number;
}

/** All tasks. */
export interface TaskPage {
  tasks: TaskView[];
  next_cursor: null;
}

/** A task as GET /tasks shows it. */
export interface TaskView {
  name: string;
  description: string;
  payload_schema: Json;
  result_schema: Json;
  options: Record<string, Json>;
  paused: boolean;
  pause: PauseView | null;
  upstreams: UpstreamView[];
  unavailable: UnavailableView[];
  versions: VersionView[];
}

/** A worker that has a task installed and cannot run it, since when, and why; it goes on trying. */
export interface UnavailableView {
  worker: string;
  host: string;
  at: string;
  error: string;
}

/** One upstream; `quota` is None where none is known. */
export interface UpstreamView {
  name: string;
  tasks: string[];
  quota: QuotaView | null;
  breaker: BreakerView;
}

/** Which search has found the picture that is used: the body of POST /images/{id}/used. */
export interface Use {
  /** Its id */
  job: string;
}

/** A version of a task: a schema, since when it is known, and the live workers that have it. */
export interface VersionView {
  digest: string;
  first_seen: string;
  workers: string[];
}

/** Why a waiting job waits. */
export type WaitReason = "scheduled" | "retry" | "rate_limit" | "low_priority" | "paused" | "no_worker";

/** A live worker. */
export interface WorkerView {
  id: string;
  host: string | null;
  slots: number;
  busy: number;
  tasks: string[];
  alive_until: string;
  started_at: string | null;
}
