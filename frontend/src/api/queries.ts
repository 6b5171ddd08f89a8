import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { comparePositions } from "jobstream-events";
import { ApiError, call, parameters } from "./client";
import type {
  Attempt,
  CancelFilter,
  CancelledMany,
  Job,
  JobPage,
  JobState,
  Json,
  LogLine,
  Stats,
  Submission,
  Task,
} from "./types";

/** What the API itself can filter a list of jobs by, in its own words. */
export interface JobFilter {
  state: readonly JobState[];
  tag: readonly string[];
  task?: string;
  batch?: string;
  error_type?: string;
  /** RFC 3339. */
  created_after?: string;
  created_before?: string;
}

/** A page of jobs, and when it was asked for: an event that came later knows better. */
export interface AskedJobPage extends JobPage {
  askedAt: number;
}

const PAGE_SIZE = 200;

function jobsPath(filter: JobFilter, cursor: string | null): string {
  return `/jobs?${parameters({ ...filter, limit: PAGE_SIZE, cursor })}`;
}

export const jobsQuery = (filter: JobFilter) =>
  infiniteQueryOptions({
    queryKey: ["jobs", filter],
    queryFn: async ({ pageParam, signal }): Promise<AskedJobPage> => {
      const askedAt = Date.now();
      return { ...(await call<JobPage>(jobsPath(filter, pageParam), { signal })), askedAt };
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // The stream keeps it true; reading fifty pages again because a window got the focus would not.
    staleTime: 60_000,
  });

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: ["job", id],
    queryFn: async ({ signal, client, queryKey }): Promise<Job> => {
      const read = await call<Job>(`/jobs/${encodeURIComponent(id)}`, { signal });
      // An event may have overtaken the answer; of two equals the answer is fuller than an event of the list.
      const known = client.getQueryData<Job>(queryKey);
      return known && comparePositions(known, read) > 0 ? known : read;
    },
  });

/** The version is part of the key: every move may have ended an attempt. */
export const attemptsQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["attempts", id, version],
    queryFn: ({ signal }) => call<Attempt[]>(`/jobs/${encodeURIComponent(id)}/attempts`, { signal }),
    placeholderData: (previous) => previous,
  });

/** A running task may tell more at any time; each move may have ended the telling. */
export const logsQuery = (id: string, version: number, running: boolean) =>
  queryOptions({
    queryKey: ["logs", id, version],
    queryFn: ({ signal }) => call<LogLine[]>(`/jobs/${encodeURIComponent(id)}/logs`, { signal }),
    placeholderData: (previous) => previous,
    refetchInterval: running && 2_000,
  });

/** Asked only for a result that was too large for the view. */
export const resultQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["result", id, version],
    queryFn: ({ signal }) => call<Json>(`/jobs/${encodeURIComponent(id)}/result`, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const tasksQuery = queryOptions({
  queryKey: ["tasks"],
  queryFn: async ({ signal }) => (await call<{ tasks: Task[] }>("/tasks", { signal })).tasks,
  staleTime: 15_000,
  // A worker may start, or bring a new task, while the page is open.
  refetchInterval: ({ state }) => (state.data?.length ? 15_000 : 2_000),
});

export const statsQuery = queryOptions({
  queryKey: ["stats"],
  queryFn: ({ signal }) => call<Stats>("/stats", { signal }),
  refetchInterval: 5_000,
});

/** The same with the last hour's minutes; of an API that does not keep them, without. */
export const hourQuery = queryOptions({
  queryKey: ["stats", "hour"],
  queryFn: async ({ signal }) => {
    try {
      return await call<Stats>("/stats?minutes=60", { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 422) return await call<Stats>("/stats", { signal });
      throw error;
    }
  },
  refetchInterval: 5_000,
});

/** Posts a job; repeated with the same key after a lost answer, it is still one job. */
export function submitJob(submission: Submission, idempotencyKey: string): Promise<Job> {
  return call<Job>("/jobs", { method: "POST", body: submission, headers: { "Idempotency-Key": idempotencyKey } });
}

export const cancelJob = (id: string) => call<Job>(`/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
export const redriveJob = (id: string) => call<Job>(`/jobs/${encodeURIComponent(id)}/redrive`, { method: "POST" });
export const deleteJob = (id: string) => call<void>(`/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

/** Cancels all live jobs that match; a call works for ten seconds, so what is left is asked for again. */
export async function cancelMatching(filter: CancelFilter, dryRun: boolean): Promise<CancelledMany> {
  const sum: CancelledMany = { matched: 0, cancelled: 0, requested: 0, complete: false };
  while (!sum.complete) {
    const body = { filter, ...(dryRun && { dry_run: true }) };
    const answer = await call<CancelledMany>("/jobs/cancel", { method: "POST", body });
    sum.matched += answer.matched;
    sum.cancelled += answer.cancelled;
    sum.requested += answer.requested;
    // A dry run that was cut short begins anew each time: it counts no further by being asked again.
    sum.complete = dryRun || answer.complete;
  }
  return sum;
}

export const pauseTask = (name: string, reason: string) =>
  call<Task>(`/tasks/${encodeURIComponent(name)}/pause`, { method: "POST", body: reason ? { reason } : {} });
export const resumeTask = (name: string) => call<Task>(`/tasks/${encodeURIComponent(name)}/resume`, { method: "POST" });

/** A refusal is an answer; only silence and an overloaded server are worth another try. */
export function worthRetrying(failures: number, error: unknown): boolean {
  return failures < 2 && !(error instanceof ApiError && error.status < 500);
}
