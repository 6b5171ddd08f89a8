import type { Percentiles, TaskMinute } from "../api/types";

/** One column of a chart: what all tasks together did in one minute. */
export interface Minute {
  /** When it began (ms since the epoch). */
  at: number;
  succeeded: number;
  failed: number;
  wait: Percentiles;
  run: Percentiles;
}

const MINUTE = 60_000;
const NOTHING: Percentiles = { p50: null, p95: null };

/**
 * The last `count` minutes without gaps, the oldest first, of all tasks or of one.
 *
 * Percentiles of several tasks cannot be joined exactly without their values: shown is the mean of theirs, each weighted
 * by its jobs, which is right for one task and near enough to see a change.
 */
export function lastMinutes(minutes: readonly TaskMinute[], now: number, count = 60, task?: string): Minute[] {
  const present = Math.floor(now / MINUTE) * MINUTE;
  const byTime = new Map<number, TaskMinute[]>();
  for (const one of minutes) {
    if (task !== undefined && one.task !== task) continue;
    const at = Math.floor(Date.parse(one.minute) / MINUTE) * MINUTE;
    byTime.set(at, [...(byTime.get(at) ?? []), one]);
  }
  return Array.from({ length: count }, (_, index) => {
    const at = present - (count - 1 - index) * MINUTE;
    return { at, ...together(byTime.get(at) ?? []) };
  });
}

/** How many minutes are worth being drawn: an hour, or less for a system that began to work a moment ago. */
export function spanOf(minutes: readonly TaskMinute[], now: number): number {
  const oldest = Math.min(...minutes.map(({ minute }) => Date.parse(minute)), now);
  return [15, 30].find((count) => now - oldest < count * MINUTE) ?? 60;
}

/** Several minutes or tasks as one. */
export function together(parts: readonly Pick<TaskMinute, "finished" | "failed" | "wait" | "run">[]) {
  const sum = (name: "finished" | "failed") => parts.reduce((total, part) => total + part[name], 0);
  return { succeeded: sum("finished"), failed: sum("failed"), wait: mean(parts, "wait"), run: mean(parts, "run") };
}

function mean(
  parts: readonly Pick<TaskMinute, "finished" | "failed" | "wait" | "run">[],
  of: "wait" | "run",
): Percentiles {
  const weighted = (name: "p50" | "p95"): number | null => {
    let weight = 0;
    let sum = 0;
    for (const part of parts) {
      const value = part[of]?.[name] ?? null;
      const jobs = part.finished + part.failed;
      if (value === null || jobs === 0) continue;
      weight += jobs;
      sum += value * jobs;
    }
    return weight ? sum / weight : null;
  };
  return parts.length ? { p50: weighted("p50"), p95: weighted("p95") } : NOTHING;
}

/** What a task, or all, did in the last so many minutes, the present one included. */
export function lately(minutes: readonly TaskMinute[], now: number, count: number, task?: string) {
  const since = Math.floor(now / MINUTE) * MINUTE - (count - 1) * MINUTE;
  return together(
    minutes.filter((one) => (task === undefined || one.task === task) && Date.parse(one.minute) >= since),
  );
}

/** The tasks of which at least a tenth of what ended in the last five minutes has failed, the worst first. */
export function failingTasks(
  minutes: readonly TaskMinute[],
  now: number,
): { task: string; failed: number; of: number }[] {
  return [...new Set(minutes.map(({ task }) => task))]
    .map((task) => {
      const { succeeded, failed } = lately(minutes, now, 5, task);
      return { task, failed, of: succeeded + failed };
    })
    .filter(({ failed, of }) => failed > 0 && failed >= of / 10)
    .sort((a, b) => b.failed - a.failed);
}
