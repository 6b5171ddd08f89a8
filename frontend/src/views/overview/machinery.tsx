import type { WorkerStats } from "../../api/types";
import { formatCount } from "../../time/format";
import { Icon } from "../../ui/icons";

/** Who works, and how much of it. */
export function Workers({ workers }: { workers: WorkerStats[] }) {
  return (
    <section className="card" aria-labelledby="workers">
      <div className="card-head">
        <h2 id="workers">Workers</h2>
        <span className="muted">{workers.length === 1 ? "1 alive" : `${workers.length} alive`}</span>
      </div>
      {workers.length === 0 ? (
        <p className="panel-empty muted">No worker is alive. What is submitted is stored, and runs when one starts.</p>
      ) : (
        <ul className="machines">
          {workers.map(({ id, host, busy, slots, tasks }) => (
            <li key={id}>
              <span className="machine-name">
                <span className="mono clip" title={id}>
                  {id.slice(0, 14)}
                </span>
                {host && <span className="faint clip">on {host}</span>}
              </span>
              <Load busy={busy} of={slots} label={`${busy} of ${slots} slots busy`} />
              <span className="machine-figure">
                {formatCount(busy)} busy, {formatCount(Math.max(0, slots - busy))} free
              </span>
              {tasks && <span className="faint machine-tasks clip">{tasks.join(", ")}</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const TOPICS: Record<string, string> = {
  jobs: "waits for a worker",
  results: "results to be stored",
  "dead-letter": "failures to be stored",
};

/** What waits on Kafka for its reader. */
export function Lag({ lag, streams }: { lag: Record<string, number> | null; streams: number }) {
  const most = Math.max(1, ...Object.values(lag ?? {}));
  return (
    <section className="card" aria-labelledby="lag">
      <div className="card-head">
        <h2 id="lag">Messages not yet handled</h2>
        <span className="muted">{streams === 1 ? "1 live reader" : `${formatCount(streams)} live readers`}</span>
      </div>
      {lag === null ? (
        <p className="panel-empty muted">
          <Icon name="plug" /> Kafka does not answer.
        </p>
      ) : (
        <ul className="machines">
          {Object.entries(lag).map(([topic, count]) => (
            <li key={topic}>
              <span className="machine-name">
                <span className="mono">{topic}</span>
                <span className="faint clip">{TOPICS[topic]}</span>
              </span>
              <Load busy={count} of={most} label={`${count} messages`} />
              <span className="machine-figure">{formatCount(count)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Load({ busy, of, label }: { busy: number; of: number; label: string }) {
  return (
    <span className="bar" role="img" aria-label={label}>
      <i style={{ width: `${of ? Math.min(100, (busy / of) * 100) : 0}%` }} />
    </span>
  );
}
