import type { ReactNode } from "react";
import type { Minute } from "../../figures/minutes";
import { formatCount, formatDuration, formatMinute, formatRound } from "../../time/format";
import { Columns, type Line, Lines } from "../../ui/charts";

type Minutes = Minute[] | undefined;

const seconds = (value: number): string => formatRound(value * 1_000);

/** Jobs per minute by outcome. */
export function Throughput({ minutes }: { minutes: Minutes }) {
  const sum = (of: "succeeded" | "failed") => minutes?.reduce((total, minute) => total + minute[of], 0) ?? 0;
  const columns = minutes?.map(({ at, succeeded, failed }) => ({
    at,
    parts: [
      { tone: "bad" as const, value: failed },
      { tone: "good" as const, value: succeeded },
    ],
    title: `${formatMinute(at)}\n${formatCount(succeeded)} succeeded\n${formatCount(failed)} failed`,
  }));
  return (
    <Panel
      title="Jobs per minute"
      legend={[
        { tone: "good", name: `${formatCount(sum("succeeded"))} succeeded` },
        { tone: "bad", name: `${formatCount(sum("failed"))} failed` },
      ]}
      empty={columns && sum("succeeded") + sum("failed") === 0}
      known={minutes !== undefined}
    >
      {columns && (
        <Columns
          columns={columns}
          format={formatCount}
          label={`Jobs per minute lately: ${sum("succeeded")} succeeded, ${sum("failed")} failed`}
        />
      )}
    </Panel>
  );
}

/** From submission to the end, in its two parts: the wait for a slot, and the run. */
export function Latency({ minutes }: { minutes: Minutes }) {
  const line = (name: string, tone: Line["tone"], pick: (minute: Minute) => number | null, faint = false): Line => ({
    name,
    tone,
    faint,
    values: minutes?.map(pick) ?? [],
  });
  const lines = [
    line("wait p95", "wait", ({ wait }) => wait.p95, true),
    line("run p95", "run", ({ run }) => run.p95, true),
    line("wait p50", "wait", ({ wait }) => wait.p50),
    line("run p50", "run", ({ run }) => run.p50),
  ];
  const last = (name: string) => lines.find((one) => one.name === name)?.values.findLast((value) => value !== null);
  const said = (name: string) => {
    const value = last(name);
    return value == null ? "–" : formatDuration(value * 1_000);
  };
  return (
    <Panel
      title="From submission to the end"
      legend={[
        { tone: "wait", name: `wait ${said("wait p50")}, p95 ${said("wait p95")}` },
        { tone: "run", name: `run ${said("run p50")}, p95 ${said("run p95")}` },
      ]}
      empty={lines.every(({ values }) => values.every((value) => value === null))}
      known={minutes !== undefined}
    >
      <Lines
        lines={lines}
        times={minutes?.map(({ at }) => at) ?? []}
        format={seconds}
        label={`Waits and runs lately: wait p50 ${said("wait p50")}, run p50 ${said("run p50")}`}
      />
    </Panel>
  );
}

interface PanelProps {
  title: string;
  legend: { tone: string; name: string }[];
  empty: boolean | undefined;
  known: boolean;
  children: ReactNode;
}

function Panel({ title, legend, empty, known, children }: PanelProps) {
  return (
    <section className="card panel">
      <div className="card-head">
        <h2>{title}</h2>
        {known && !empty && (
          <ul className="legend">
            {legend.map(({ tone, name }) => (
              <li key={name}>
                <i data-tone={tone} />
                {name}
              </li>
            ))}
          </ul>
        )}
      </div>
      {!known ? (
        <p className="panel-empty muted">This API keeps no figures by the minute.</p>
      ) : empty ? (
        <p className="panel-empty muted">No job has ended in the last hour.</p>
      ) : (
        children
      )}
    </section>
  );
}
