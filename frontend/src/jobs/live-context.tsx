import type { QueryClient } from "@tanstack/react-query";
import { browser, type ConnectionStatus, followBrowser, LiveConnection, type Surroundings } from "jobstream-events";
import { createContext, use, useEffect, useSyncExternalStore } from "react";
import { jobQuery } from "../api/queries";
import { isFinal, type Job } from "../api/types";
import { noteServerTime } from "../time/clock";
import { EventLog, type LogEntry } from "./event-log";
import { LiveJobs, type LiveSnapshot, newerView, withProgress } from "./live-jobs";

const LIST_STREAM = "/events";
/** Milliseconds: a page that was left open shows the truth within ten seconds of the server's return. */
const LONGEST_WAIT = 8_000;
const jobStream = (id: string) => `/jobs/${encodeURIComponent(id)}/events`;

/**
 * The page's one stream, and where its events go: the live list, the cached view of the job, the log of the open one.
 *
 * It follows the list, unless one unfinished job is looked at: the list's events leave out payloads and results over
 * 4 KiB, the job's own stream does not.
 */
export class Live {
  readonly jobs: LiveJobs;
  readonly log = new EventLog();
  readonly #connection: LiveConnection<Job>;
  readonly #queries: QueryClient;
  readonly #statusListeners = new Set<() => void>();
  #own: string | null = null;

  constructor({ queries, world = browser() }: { queries: QueryClient; world?: Surroundings }) {
    this.#queries = queries;
    this.jobs = new LiveJobs({ onOverflow: () => this.#readAgain() });
    this.#connection = new LiveConnection<Job>(
      {
        onJob: (job) => this.#onJob(job),
        onProgress: (progress) => {
          this.jobs.applyProgress(progress);
          queries.setQueryData(jobQuery(progress.id).queryKey, (known) => known && withProgress(known, progress));
          const { version, revision } = progress;
          const percent = `${Math.round(progress.percent)} %`;
          const text = [percent, progress.message].filter(Boolean).join(" · ");
          this.log.add(progress.id, { event: "progress", version, revision, text, state: null });
        },
        onResync: () => {
          // A job's own stream opens with the present view; only the list has to be read again.
          if (this.#own === null) this.#readAgain();
        },
        onEnd: () => this.follow(null),
        onStatus: () => {
          for (const listener of this.#statusListeners) listener();
        },
        onServerTime: noteServerTime,
      },
      world,
      { longestWait: LONGEST_WAIT },
    );
  }

  /** Connects, until the returned function is called. */
  start(): () => void {
    this.follow(this.#own);
    const unfollow = followBrowser(this.#connection);
    return () => {
      unfollow();
      this.#connection.close();
    };
  }

  /** Follow this job's own stream, or the list's. */
  follow(id: string | null): void {
    this.#own = id;
    this.#connection.watch(id === null ? LIST_STREAM : jobStream(id));
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  readonly subscribeStatus = (listener: () => void): (() => void) => {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  };

  readonly status = (): ConnectionStatus => this.#connection.status;

  #onJob(job: Job): void {
    this.jobs.apply(job);
    const key = jobQuery(job.id).queryKey;
    if (this.#queries.getQueryData(key)) this.#queries.setQueryData(key, (known) => newerView(known, job));
    const { version, revision, state, reason } = job;
    const text = [reason, job.error && `${job.error.type}: ${job.error.message}`].filter(Boolean).join(" · ");
    this.log.add(job.id, { event: "job", version, revision, text, state });
  }

  #readAgain(): void {
    void this.#queries.invalidateQueries({ queryKey: ["jobs"] });
    void this.#queries.invalidateQueries({ queryKey: ["job"] });
    void this.#queries.invalidateQueries({ queryKey: ["stats"] });
  }
}

const LiveContext = createContext<Live | null>(null);
export const LiveProvider = LiveContext;

export function useLive(): Live {
  const live = use(LiveContext);
  if (!live) throw new Error("useLive needs a LiveProvider above it");
  return live;
}

export function useConnectionStatus(): ConnectionStatus {
  const live = useLive();
  return useSyncExternalStore(live.subscribeStatus, live.status);
}

export function useLiveJobs(): LiveSnapshot {
  const { jobs } = useLive();
  return useSyncExternalStore(jobs.subscribe, jobs.snapshot);
}

export function useEventLog(): readonly LogEntry[] {
  const { log } = useLive();
  return useSyncExternalStore(log.subscribe, log.snapshot);
}

/** Follows a job's own stream as long as it can still change, and the list's afterwards. */
export function useFollowJob(id: string, job: Job | undefined): void {
  const live = useLive();
  const own = job !== undefined && !isFinal(job.state);
  useEffect(() => {
    live.log.begin(id);
    if (!own) return;
    live.follow(id);
    return () => live.follow(null);
  }, [live, id, own]);
}
