/**
 * The shapes of the HTTP API in the page's words. They are made from the API's own description (`make docs`); unknown
 * fields are ignored, so an older page works with a newer API.
 */

import type { JobState, Json, ProblemBody, TaskView } from "./openapi";

export type {
  Attempt,
  CancelFilter,
  CancelledMany,
  DeadLetterPage,
  DeadLetterView as DeadLetter,
  ErrorKind,
  JobError,
  JobPage,
  JobState,
  JobView as Job,
  Json,
  LetterGroup,
  LetterGroups,
  LogLine,
  MinuteView as TaskMinute,
  PauseView as Pause,
  RedriveFilter,
  RedrivenMany,
  Spans as Percentiles,
  Stats,
  Submission,
  UpstreamView as Upstream,
  WorkerView as WorkerStats,
} from "./openapi";

/** In the order in which the page names them. */
export const JOB_STATES = [
  "pending",
  "waiting",
  "running",
  "succeeded",
  "failed",
  "cancelled",
] as const satisfies readonly JobState[];

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

export interface Task extends Omit<TaskView, "payload_schema" | "result_schema"> {
  payload_schema: Schema;
  result_schema: Schema;
}

/** An answer of RFC 9457; what stands between us and the API may say less than the API does. */
export type Problem = Pick<ProblemBody, "type" | "title" | "status"> & Partial<ProblemBody>;

export function isFinal(state: JobState): state is "succeeded" | "failed" | "cancelled" {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}
