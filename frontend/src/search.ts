import { parameters } from "./api/client";
import type { JobFilter } from "./api/queries";
import { JOB_STATES, type JobState, type RedriveFilter } from "./api/types";

/** Plain query strings (`?state=failed&state=running`) instead of the router's JSON: people read and type them. */
export function parseSearch(text: string): Record<string, string | string[]> {
  const search: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const known = search[name];
    search[name] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value];
  }
  return search;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const text = parameters(search).toString();
  return text ? `?${text}` : "";
}

const all = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string" && one !== "");

/** The list's filter, by the API's own names; `q` is what the page looks for in what it has read. */
export interface JobsSearch {
  state?: JobState[];
  task?: string;
  tag?: string[];
  batch?: string;
  error_type?: string;
  /** "15m", "1h", "24h", "7d", or a moment. */
  created_after?: string;
  created_before?: string;
  q?: string;
}

const SINGLE = ["task", "batch", "error_type", "created_after", "created_before", "q"] as const;

/** Reads the list's filter from the URL; what makes no sense there is left out. */
export function readJobsSearch(search: Record<string, unknown>): JobsSearch {
  const state = JOB_STATES.filter((one) => all(search.state).includes(one));
  const tag = [...new Set(all(search.tag))];
  const read: JobsSearch = { ...(state.length && { state }), ...(tag.length && { tag }) };
  for (const name of SINGLE) {
    const [value] = all(search[name]);
    if (value !== undefined && (!name.startsWith("created_") || momentOf(value, 0) !== null)) read[name] = value;
  }
  return read;
}

const SPANS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment (ms since the epoch): one that is written out, or "1h" before now. Null if it is neither. */
export function momentOf(text: string, now: number): number | null {
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(text) ?? [];
  if (count && unit) return now - Number(count) * (SPANS[unit] ?? 0);
  const moment = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(moment) ? null : moment;
}

/** What is asked of the API for it. */
export function filterOf({ q: _q, state = [], tag = [], ...single }: JobsSearch, now: number): JobFilter {
  const filter: JobFilter = { ...single, state, tag };
  for (const name of ["created_after", "created_before"] as const) {
    const moment = momentOf(single[name] ?? "", now);
    if (moment === null) delete filter[name];
    else filter[name] = new Date(moment).toISOString();
  }
  return filter;
}

/** Which dead letters are listed; `all` lists them without a filter, where nothing at all shows their groups. */
export interface LettersSearch {
  all?: string;
  task?: string;
  kind?: string;
  error_type?: string;
  /** As in JobsSearch. */
  after?: string;
  before?: string;
}

export function readLettersSearch(search: Record<string, unknown>): LettersSearch {
  const read: LettersSearch = {};
  for (const name of ["all", "task", "kind", "error_type", "after", "before"] as const) {
    const [value] = all(search[name]);
    const isTime = name === "after" || name === "before";
    if (value !== undefined && (!isTime || momentOf(value, 0) !== null)) read[name] = value;
  }
  return read;
}

export function letterFilterOf({ all: _all, after, before, ...filter }: LettersSearch, now: number): RedriveFilter {
  const from = momentOf(after ?? "", now);
  const to = momentOf(before ?? "", now);
  return {
    ...filter,
    ...(from !== null && { after: new Date(from).toISOString() }),
    ...(to !== null && { before: new Date(to).toISOString() }),
  };
}

export interface NewJobSearch {
  task?: string;
  from?: string;
}

export function readNewJobSearch(search: Record<string, unknown>): NewJobSearch {
  const [task] = all(search.task);
  const [from] = all(search.from);
  return { ...(task !== undefined && { task }), ...(from !== undefined && { from }) };
}
