import type { JobsSearch } from "./search";

// Where the router's own packages declare it; adding to the re-export of @tanstack/react-router is not seen.
declare module "@tanstack/history" {
  /** What travels with an entry of the history, beside its URL. */
  interface HistoryState {
    /** A job's page: the list it was opened from. */
    list?: JobsSearch;
    /** The list: the job that was looked at last. */
    cursor?: string;
  }
}
