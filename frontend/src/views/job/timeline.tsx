import type { CSSProperties } from "react";
import type { Attempt, Job } from "../../api/types";
import { isFinal } from "../../api/types";
import { type Segment, ticksOf, timelineOf } from "../../jobs/timeline";
import { useIsPhone } from "../../phone";
import { useNow } from "../../time/clock";
import { formatDuration, formatExact, formatRound } from "../../time/format";

/** The job's life drawn to scale: every wait and every attempt is as long as it took. */
export function Timeline({ job, attempts }: { job: Job; attempts: Attempt[] }) {
  const now = useNow(isFinal(job.state) ? "never" : "fast");
  const phone = useIsPhone();
  const segments = timelineOf(job, attempts, now);
  const start = Date.parse(job.created_at);
  const end = Math.max(...segments.map((one) => one.until ?? one.end), start + 1);
  const span = end - start;
  const place = (from: number, to: number): CSSProperties => ({
    left: `${((from - start) / span) * 100}%`,
    width: `${((to - from) / span) * 100}%`,
  });

  return (
    <section className="card" aria-labelledby="timeline">
      <div className="card-head">
        <h2 id="timeline">Timeline</h2>
        <span className="muted">{summary(segments)}</span>
      </div>
      <div className="timeline">
        <div className="timeline-axis" aria-hidden="true">
          {ticksOf(span, phone ? 2 : 5).map((tick) => (
            <span key={tick} style={{ left: `${(tick / span) * 100}%` }}>
              {tick === 0 ? "0" : formatRound(tick)}
            </span>
          ))}
        </div>
        <ol>
          {segments.map((segment) => (
            <li
              key={`${segment.label} ${segment.start}`}
              className="timeline-row"
              title={formatExact(new Date(segment.start).toISOString())}
            >
              <span className="timeline-label">{segment.label}</span>
              <span className="timeline-track">
                <i
                  className="segment"
                  data-kind={segment.kind}
                  data-tone={segment.tone}
                  style={place(segment.start, segment.end)}
                />
                {segment.until !== null && (
                  <i className="segment" data-kind="planned" style={place(segment.end, segment.until)} />
                )}
              </span>
              <span className="timeline-time">{formatDuration(segment.end - segment.start)}</span>
              {segment.tone === "bad" && segment.detail && (
                <span className="timeline-error cell-error clip">{segment.detail}</span>
              )}
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}

/** "12 ms queued · 1.2 s running": where the time went. */
function summary(segments: Segment[]): string {
  const sum = (kinds: Segment["kind"][]) =>
    segments.filter(({ kind }) => kinds.includes(kind)).reduce((total, { start, end }) => total + end - start, 0);
  const [queued, running, waiting] = [sum(["queue"]), sum(["attempt"]), sum(["wait"])];
  return [
    `${formatDuration(queued)} queued`,
    running > 0 && `${formatDuration(running)} running`,
    waiting > 0 && `${formatDuration(waiting)} waiting between attempts`,
  ]
    .filter(Boolean)
    .join(" · ");
}
