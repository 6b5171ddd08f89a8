/** Durations and ages in few characters, for tables; the exact time is always one hover away. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "3 ms", "1.2 s", "4 m 05 s", "3 h 20 m", "2 d 4 h". */
export function formatDuration(ms: number): string {
  const span = Math.max(0, ms);
  if (span < SECOND) return `${Math.round(span)} ms`;
  if (span < 9.95 * SECOND) return `${(span / SECOND).toFixed(1)} s`;
  if (span < MINUTE - SECOND / 2) return `${Math.round(span / SECOND)} s`;
  if (span < HOUR) {
    const seconds = Math.round(span / SECOND);
    return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  }
  if (span < DAY)
    return `${Math.floor(span / HOUR)} h ${String(Math.floor((span % HOUR) / MINUTE)).padStart(2, "0")} m`;
  return `${Math.floor(span / DAY)} d ${Math.floor((span % DAY) / HOUR)} h`;
}

/** A round duration without its empty parts: "5 s", "2 m". */
export function formatRound(ms: number): string {
  return formatDuration(ms)
    .replace(/\.0 s$/, " s")
    .replace(/ 0?0 [smh]$/, "");
}

/** "now", "12 s", "4 m", "3 h", "2 d": how long ago, one unit. */
export function formatAge(ms: number): string {
  const span = Math.max(0, ms);
  if (span < SECOND) return "now";
  if (span < MINUTE) return `${Math.floor(span / SECOND)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} m`;
  if (span < DAY) return `${Math.floor(span / HOUR)} h`;
  return `${Math.floor(span / DAY)} d`;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export function formatExact(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : EXACT.format(at);
}

/** The time of day with milliseconds, for event lists. */
export function formatClock(ms: number): string {
  return `${CLOCK.format(ms)}.${String(Math.floor(ms) % 1000).padStart(3, "0")}`;
}

const MINUTE_OF_DAY = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** "14:05": under a chart. */
export function formatMinute(ms: number): string {
  return MINUTE_OF_DAY.format(ms);
}

/** 1234567 as "1,234,567" in the reader's own way. */
export function formatCount(count: number): string {
  return count.toLocaleString();
}
