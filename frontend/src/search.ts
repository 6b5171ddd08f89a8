import { JOB_STATES, type JobState } from "./api/types";

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
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

const all = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string" && one !== "");

export interface JobsSearch {
  state?: JobState[];
  task?: string;
  tag?: string[];
  q?: string;
}

/** Reads the list's filter from the URL; what makes no sense there is left out. */
export function readJobsSearch(search: Record<string, unknown>): JobsSearch {
  const state = JOB_STATES.filter((one) => all(search.state).includes(one));
  const tag = [...new Set(all(search.tag))];
  const [task] = all(search.task);
  const [q] = all(search.q);
  return {
    ...(state.length && { state }),
    ...(task !== undefined && { task }),
    ...(tag.length && { tag }),
    ...(q !== undefined && { q }),
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
