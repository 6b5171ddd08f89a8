import { Link } from "@tanstack/react-router";
import { JOB_STATES, type Stats } from "../../api/types";
import type { JobsSearch } from "../../search";
import { formatCount, formatDuration } from "../../time/format";
import { StateIcon, stateWord } from "../../ui/icons";

/** The figures of this moment; each leads to the jobs it counts. */
export function Tiles({ stats }: { stats: Stats }) {
  const oldest = stats.oldest_pending_seconds;
  const [busy, slots] = stats.workers.reduce((sum, one) => [sum[0] + one.busy, sum[1] + one.slots], [0, 0]);
  return (
    <>
      <div className="tiles">
        <Tile
          name="Ended in the last minute"
          value={formatCount(stats.finished_last_minute)}
          search={{ state: ["succeeded", "failed", "cancelled"], created_after: "1h" }}
        />
        <Tile
          name="Oldest pending"
          value={oldest === null ? "none" : formatDuration(oldest * 1_000)}
          search={{ state: ["pending"] }}
        />
        <Tile
          name="Slots in use"
          value={`${formatCount(busy)} of ${formatCount(slots)}`}
          search={{ state: ["running"] }}
        />
        <Tile name="Failed, of all kept" value={formatCount(stats.jobs.failed ?? 0)} search={{ state: ["failed"] }} />
      </div>
      <nav className="states-strip" aria-label="Jobs by state">
        {JOB_STATES.map((state) => (
          <Link key={state} to="/ui/jobs" search={{ state: [state] }} className="states-one" data-state={state}>
            <span className="state">
              <StateIcon state={state} />
            </span>
            {stateWord(state)}
            <strong>{formatCount(stats.jobs[state] ?? 0)}</strong>
          </Link>
        ))}
      </nav>
    </>
  );
}

function Tile({ name, value, search }: { name: string; value: string; search: JobsSearch }) {
  return (
    <Link to="/ui/jobs" search={search} className="tile">
      <span className="muted">{name}</span>
      <strong>{value}</strong>
    </Link>
  );
}
