import type { Stats } from "../api/types";

/** What GET /stats answers while all is well. */
export function someStats(fields: Partial<Stats> = {}): Stats {
  return {
    jobs: { pending: 1, waiting: 2, running: 3, succeeded: 40, failed: 5, cancelled: 0 },
    tasks: { noop: { pending: 1, waiting: 2, running: 3, succeeded: 40, failed: 5, cancelled: 0 } },
    counted_to: null,
    oldest_pending_seconds: 0.4,
    finished_last_minute: 12,
    lag: { jobs: 0, results: 0, "dead-letter": 0 },
    workers: [
      {
        id: "w-1",
        host: "one",
        slots: 100,
        busy: 3,
        tasks: ["noop"],
        alive_until: "2026-11-24T10:10:10.000Z",
        started_at: "2026-11-24T10:00:00.000Z",
      },
    ],
    pauses: {},
    no_worker: {},
    upstreams: [],
    streams: 1,
    ...fields,
  };
}
