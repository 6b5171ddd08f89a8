import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { comparePositions } from "jobstream-events";
import { ApiError, call } from "./client";
import type { Attempt, DeadLetterPage, Job, JobPage, JobState, Json, LogLine, Stats, Submission, Task } from "./types";

/** What the API itself can filter a list of jobs by. */
export interface JobFilter {
  state: JobState[];
  task: string | null;
  tag: string[];
}

/** A page of jobs, and when it was asked for: an event that came later knows better. */
export interface AskedJobPage extends JobPage {
  askedAt: number;
}

const PAGE_SIZE = 100;

function jobsPath(filter: JobFilter, cursor: string | null): string {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  for (const state of filter.state) query.append("state", state);
  for (const tag of filter.tag) query.append("tag", tag);
  if (filter.task) query.set("task", filter.task);
  if (cursor) query.set("cursor", cursor);
  return `/jobs?${query}`;
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
    queryFn: async ({ signal }): Promise<Attempt[]> => {
      const answer = await call<Attempt[] | { attempts: Attempt[] }>(`/jobs/${encodeURIComponent(id)}/attempts`, {
        signal,
      });
      return Array.isArray(answer) ? answer : answer.attempts;
    },
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

export const deadLettersQuery = infiniteQueryOptions({
  queryKey: ["dead-letters"],
  queryFn: ({ pageParam, signal }) =>
    call<DeadLetterPage>(pageParam ? `/dead-letters?cursor=${encodeURIComponent(pageParam)}` : "/dead-letters", {
      signal,
    }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

/** Posts a job; repeated with the same key after a lost answer, it is still one job. */
export function submitJob(submission: Submission, idempotencyKey: string): Promise<Job> {
  return call<Job>("/jobs", { method: "POST", body: submission, headers: { "Idempotency-Key": idempotencyKey } });
}

export const cancelJob = (id: string) => call<Job>(`/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
export const redriveJob = (id: string) => call<Job>(`/jobs/${encodeURIComponent(id)}/redrive`, { method: "POST" });
export const deleteJob = (id: string) => call<void>(`/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

export const resumeTask = (name: string) => call<Task>(`/tasks/${encodeURIComponent(name)}/resume`, { method: "POST" });

/** A refusal is an answer; only silence and an overloaded server are worth another try. */
export function worthRetrying(failures: number, error: unknown): boolean {
  return failures < 2 && !(error instanceof ApiError && error.status < 500);
}
