import type { JobState } from "../api/types";

const PATHS = {
  overview: "M2 13.5h12M4 11V8M8 11V3M12 11V6",
  tasks: "M2.5 3h4v4h-4zM9.5 3h4v4h-4zM2.5 9.5h4v4h-4zM9.5 9.5h4v4h-4z",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L13 8 5 3.2Z",
  gauge: "M3 12.5a6 6 0 1 1 10 0M8 9.5l2.5-3",
  search: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10Zm3.6-1.4L14 14",
  plus: "M8 3v10M3 8h10",
  copy: "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7h-2.3M3.2 5.5h6.6c.4 0 .7.3.7.7v6.6c0 .4-.3.7-.7.7H3.2a.7.7 0 0 1-.7-.7V6.2c0-.4.3-.7.7-.7Z",
  check: "m3 8.5 3.2 3.2L13 4.8",
  cross: "m4 4 8 8m0-8-8 8",
  left: "M10 3.5 5.5 8 10 12.5",
  right: "M6 3.5 10.5 8 6 12.5",
  down: "M3.5 6 8 10.5 12.5 6",
  up: "M8 13V3.5M4 7l4-4 4 4",
  external: "M6.5 3.5H3.5v9h9v-3M9 3h4v4M13 3 7.5 8.5",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M12.6 3.4l-.7.7M4.1 11.9l-.7.7",
  moon: "M13.2 9.6A5.5 5.5 0 0 1 6.4 2.8 5.5 5.5 0 1 0 13.2 9.6Z",
  screen: "M2 3.2h12v7.6H2zM5.5 13.5h5M8 11v2.5",
  redo: "M13 3v3.5H9.5M12.6 6.5A5 5 0 1 0 13 9",
  stop: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM4 4l8 8",
  trash: "M2.5 4.5h11M6 4.5V2.8h4v1.7M4 4.5l.6 8.7h6.8l.6-8.7M6.7 7v3.8M9.3 7v3.8",
  jobs: "M2.5 4h7M2.5 8h11M2.5 12h5M12.7 4h.1M10.7 12h.1",
  letters: "M2 9.5 4 3h8l2 6.5V13H2zM2 9.5h3.5l1 1.8h3l1-1.8H14",
  keyboard: "M1.5 4h13v8h-13zM4 6.5h.1M6.7 6.5h.1M9.3 6.5h.1M12 6.5h.1M5 9.5h6",
  alert: "M8 2.2 14.3 13H1.7L8 2.2ZM8 6.5v3M8 11.3v.1",
  plug: "M6 2v3M10 2v3M4 5h8v2.5a4 4 0 0 1-8 0V5ZM8 11.5V14",
  dots: "M3.5 8h.1M8 8h.1M12.5 8h.1",
  tag: "M2.5 2.5h5l6 6-5 5-6-6v-5ZM5.3 5.3h.1",
  picture: "M2 3h12v10H2zM2 11l3.5-3.5L9 11l2-2 3 3M10.7 6h.1",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.5",
  bolt: "M9 1.8 3.5 9H8l-1 5.2L12.5 7H8l1-5.2Z",
  globe: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c4 4 4 8 0 12-4-4-4-8 0-12Z",
  box: "M8 2l5.5 3v6L8 14l-5.5-3V5L8 2ZM2.5 5 8 8l5.5-3M8 8v6",
} as const;

export type IconName = keyof typeof PATHS;

/** A small line drawing. It never says anything alone: its button or text does. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** One shape per state, so that none is told by its colour alone. */
export function StateIcon({ state }: { state: JobState }) {
  const line = { fill: "none", stroke: "currentColor", strokeWidth: 1.7, strokeLinecap: "round" as const };
  return (
    <svg viewBox="0 0 14 14" aria-hidden="true">
      {state === "pending" && <circle cx="7" cy="7" r="5.5" {...line} strokeDasharray="1.6 2.720" />}
      {state === "waiting" && (
        <g {...line}>
          <circle cx="7" cy="7" r="5.5" />
          <path d="M7 4.2V7l1.8 1.2" />
        </g>
      )}
      {state === "running" && (
        <g {...line}>
          <circle cx="7" cy="7" r="5.5" opacity="0.28" />
          <path className="turning" d="M7 1.5A5.5 5.5 0 0 1 12.5 7" />
        </g>
      )}
      {state === "succeeded" && (
        <g>
          <circle cx="7" cy="7" r="6.3" fill="currentColor" />
          <path d="m4.3 7.2 1.9 1.9 3.6-4" fill="none" stroke="var(--surface)" strokeWidth="1.6" />
        </g>
      )}
      {state === "failed" && (
        <g>
          <path d="M4.4.8h5.2l3.6 3.6v5.2l-3.6 3.6H4.4L.8 9.6V4.4Z" fill="currentColor" />
          <path d="m4.9 4.9 4.2 4.2m0-4.2L4.9 9.1" fill="none" stroke="var(--surface)" strokeWidth="1.6" />
        </g>
      )}
      {state === "cancelled" && (
        <g {...line}>
          <circle cx="7" cy="7" r="5.5" />
          <path d="m3.3 10.7 7.4-7.4" />
        </g>
      )}
    </svg>
  );
}

const WORDS: Record<JobState, string> = {
  pending: "Pending",
  waiting: "Waiting",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function stateWord(state: JobState): string {
  return WORDS[state];
}
