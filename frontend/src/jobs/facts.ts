import type { Job, Json } from "../api/types";

export interface Fact {
  name: string | null;
  value: string;
}

const isObject = (value: Json): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function brief(value: Json): string {
  if (typeof value === "string") return value.length > 80 ? `${value.slice(0, 79)}…` : value;
  if (Array.isArray(value)) return `[${value.length}]`;
  if (isObject(value)) return `{${Object.keys(value).length}}`;
  return String(value);
}

/** The few words of a payload that tell one job from the next in a list. */
export function payloadFacts(job: Job): Fact[] {
  const { payload } = job;
  if (!isObject(payload)) return payload === null ? [] : [{ name: null, value: brief(payload) }];
  const lead = job.task === "image.search" ? "query" : job.task === "http.request" ? "url" : null;
  const facts = Object.entries(payload)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ({ name: name === lead ? null : name, value: brief(value) }));
  return facts.sort((a, b) => Number(a.name !== null) - Number(b.name !== null)).slice(0, 4);
}

/** The colours of the pictures a search found, for a strip in its row. */
export function resultColours(result: Json): string[] {
  if (!isObject(result) || !Array.isArray(result.images)) return [];
  return result.images
    .map((image) => (isObject(image) && typeof image.color === "string" ? image.color : ""))
    .filter((colour) => /^#[0-9a-f]{6}$/i.test(colour))
    .slice(0, 12);
}

/** Why a job waits, in words. */
export function waitingFor(reason: string | null): string {
  switch (reason) {
    case "scheduled":
      return "Scheduled";
    case "retry":
      return "Next attempt";
    case "rate_limit":
      return "Rate limit, next try";
    case "low_priority":
      return "Low priority";
    case "paused":
      return "Task is paused";
    case "no_worker":
      return "No live worker runs its task";
    default:
      return reason ?? "Waiting";
  }
}

const TIMELESS: ReadonlySet<string | null> = new Set(["paused", "low_priority", "no_worker"]);

/** When a waiting job goes on, in ms; null if it waits for something else than time: its `wake_at` is then but a next look. */
export function goesOnAt(job: Job): number | null {
  if (job.state !== "waiting" || TIMELESS.has(job.reason)) return null;
  return job.wake_at === null ? null : Date.parse(job.wake_at);
}

/** The end of an id: UUIDv7 begins with the time, so its first half is the same for jobs of one minute. */
export function shortId(id: string): string {
  return id.length > 12 ? id.slice(-8) : id;
}

const haystacks = new WeakMap<Job, string>();

/** True if a job's visible text contains what was typed. */
export function mentions(job: Job, text: string): boolean {
  let haystack = haystacks.get(job);
  if (haystack === undefined) {
    const parts = [job.id, job.task, ...job.tags, JSON.stringify(job.payload), job.error?.type, job.error?.message];
    haystack = parts.join("\n").toLowerCase();
    haystacks.set(job, haystack);
  }
  return haystack.includes(text.toLowerCase());
}
