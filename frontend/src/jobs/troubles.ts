import type { ErrorKind } from "../api/types";

/** What an error kind means in plain words, and what a person can do about it. */
export const TROUBLES: Record<ErrorKind, { title: string; means: string; advice: string[] }> = {
  rejected: {
    title: "The task said no",
    means: "The answer is final: running the same payload again would be refused again.",
    advice: [
      "Look at the message and correct the payload, then submit it as a new job.",
      "If the cause was outside (a key, a permission) and is repaired, redrive this job.",
    ],
  },
  exhausted: {
    title: "All attempts failed",
    means: "Every attempt ended in an error that another attempt might have cured; none did.",
    advice: [
      "Check what the task depends on; the timeline shows the error of each attempt.",
      "Redrive it when that works again: it gets a new series of attempts.",
    ],
  },
  timed_out: {
    title: "It took too long",
    means: "The last attempt ran into the task's time limit and was stopped.",
    advice: [
      "Redrive it if the slowness has passed.",
      "Otherwise submit it again with a longer timeout, or with less to do.",
    ],
  },
  stalled: {
    title: "Its worker went away",
    means: "The worker that ran it crashed or lost its connection, each time until no attempt was left.",
    advice: [
      "Check the workers: memory and restarts first.",
      "Redrive it; if workers die again, this payload may be what kills them.",
    ],
  },
  expired: {
    title: "Nobody started it in time",
    means: "Its expiry passed before a worker was free.",
    advice: ["Check that workers run and that the task is not paused.", "Submit it again if it is still wanted."],
  },
};
