import { useQuery } from "@tanstack/react-query";
import { logsQuery } from "../../api/queries";
import type { Job } from "../../api/types";
import { formatClock } from "../../time/format";

/** What the task has told while it ran; nothing at all for a task that tells nothing. */
export function Logs({ job }: { job: Job }) {
  const { data: lines = [] } = useQuery(logsQuery(job.id, job.version, job.state === "running"));
  if (lines.length === 0) return null;
  const several = new Set(lines.map(({ attempt }) => attempt)).size > 1;
  return (
    <section className="card" aria-labelledby="logs">
      <h2 id="logs">Log</h2>
      <ol className="logs">
        {lines.map(({ at, attempt, level, message }, place) => (
          <li key={place} data-level={level}>
            <time className="mono faint" dateTime={at}>
              {formatClock(Date.parse(at))}
            </time>
            {several && <span className="faint">attempt {attempt}</span>}
            <span className="mono logs-text">{message}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
