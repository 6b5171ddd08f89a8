import { useNow } from "../time/clock";
import { formatAge, formatDuration, formatExact, formatRound } from "../time/format";

/** How long ago, the exact time on hover. */
export function Age({ at, suffix = "" }: { at: string; suffix?: string }) {
  const now = useNow();
  const age = formatAge(now - Date.parse(at));
  return (
    <time dateTime={at} title={formatExact(at)}>
      {age}
      {age === "now" ? "" : suffix}
    </time>
  );
}

/** From `start` to `end`, or to now while it lasts. */
export function Span({ start, end }: { start: string; end: string | null }) {
  const now = useNow(end ? "never" : "fast");
  return <span>{formatDuration((end ? Date.parse(end) : now) - Date.parse(start))}</span>;
}

/** "in 4 s" until a moment comes. */
export function Countdown({ until }: { until: number }) {
  const left = until - useNow("fast");
  return <span>{left <= 500 ? "now" : `in ${formatRound(Math.ceil(left / 1_000) * 1_000)}`}</span>;
}
