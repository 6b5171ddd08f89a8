import type { Attempt, Job } from "../api/types";
import { isFinal } from "../api/types";
import { goesOnAt, waitingFor } from "./facts";

/** One stretch of a job's life, in milliseconds since the epoch. */
export interface Segment {
  kind: "queue" | "attempt" | "wait";
  label: string;
  start: number;
  /** For a stretch that still lasts: now. */
  end: number;
  /** Still going on. */
  open: boolean;
  /** Until when it is planned to last, if that lies ahead. */
  until: number | null;
  tone: "neutral" | "running" | "good" | "bad";
  detail: string | null;
}

interface Run {
  attempt: number;
  start: number;
  end: number | null;
  outcome: string | null;
  detail: string | null;
}

const GOOD = new Set(["succeeded", "success", "ok"]);
const NEUTRAL = new Set(["cancelled", "released", "given_back", "rate_limited", "rate_limit", "paused"]);

/** The attempts that are known, and the one that runs now even if the history does not have it yet. */
function runsOf(job: Job, attempts: readonly Attempt[]): Run[] {
  const runs = attempts
    .map(({ attempt, started_at, finished_at, outcome, error, worker }) => ({
      attempt,
      start: Date.parse(started_at),
      end: finished_at ? Date.parse(finished_at) : null,
      outcome,
      detail: error ? `${error.type}: ${error.message}` : worker && `on ${worker}`,
    }))
    .filter((run) => Number.isFinite(run.start))
    .sort((a, b) => a.start - b.start);

  const started = job.started_at ? Date.parse(job.started_at) : null;
  const last = runs.at(-1);
  if (started !== null && (!last || (job.state === "running" && last.end !== null))) {
    const start = Math.max(started, last?.end ?? started);
    const end = isFinal(job.state) && job.finished_at ? Date.parse(job.finished_at) : null;
    const outcome = isFinal(job.state) ? job.state : null;
    if (job.state === "running" || isFinal(job.state))
      runs.push({ attempt: job.attempt, start, end, outcome, detail: null });
  }
  return runs;
}

function toneOf({ end, outcome }: Run, open: boolean): Segment["tone"] {
  if (open) return "running";
  if (outcome && GOOD.has(outcome)) return "good";
  return end === null || (outcome && NEUTRAL.has(outcome)) ? "neutral" : "bad";
}

/** A job's life from submission to its end, or to now, without gaps. */
export function timelineOf(job: Job, attempts: readonly Attempt[], now: number): Segment[] {
  const created = Date.parse(job.created_at);
  const over = isFinal(job.state);
  const finished = over && job.finished_at ? Date.parse(job.finished_at) : null;
  const present = Math.max(now, created);
  const segments: Segment[] = [];
  let clock = created;

  const idle = (start: number, end: number, open: boolean): Segment => {
    const first = segments.length === 0;
    const until = open ? goesOnAt(job) : null;
    const label = open && job.state === "waiting" ? waitingFor(job.reason) : first ? "Queued" : "Wait";
    return {
      kind: first ? "queue" : "wait",
      label,
      start,
      end,
      open,
      until: until !== null && until > end ? until : null,
      tone: "neutral",
      detail: first ? null : "before the next attempt",
    };
  };

  for (const run of runsOf(job, attempts)) {
    if (run.start > clock || segments.length === 0) segments.push(idle(clock, Math.max(run.start, clock), false));
    const open = run.end === null && job.state === "running";
    const end = Math.max(run.start, run.end ?? (open ? present : (finished ?? run.start)));
    segments.push({
      kind: "attempt",
      label: `Attempt ${run.attempt}`,
      start: run.start,
      end,
      open,
      until: null,
      tone: toneOf(run, open),
      detail: run.detail ?? run.outcome,
    });
    clock = Math.max(clock, end);
  }

  if (job.state === "pending" || job.state === "waiting") segments.push(idle(clock, Math.max(present, clock), true));
  if (over && segments.length === 0) segments.push(idle(clock, Math.max(finished ?? clock, clock), false));
  return segments;
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3,
];
const HOUR = 3_600e3;

/** Round marks for a scale of `span` milliseconds, at most one more than `most`. */
export function ticksOf(span: number, most = 5): number[] {
  const step = STEPS.find((one) => span / one <= most) ?? Math.ceil(span / most / HOUR) * HOUR;
  const ticks: number[] = [];
  for (let tick = 0; tick <= span; tick += step) ticks.push(tick);
  return ticks;
}
