import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Stats, Task } from "../../api/types";
import { lastMinutes, lately } from "../../figures/minutes";
import type { JobsSearch } from "../../search";
import { useNow } from "../../time/clock";
import { formatCount, formatDuration } from "../../time/format";
import { Spark } from "../../ui/charts";
import { Icon } from "../../ui/icons";
import { Age } from "../../ui/times";
import { PauseButton } from "./pause-button";
import { UpstreamLine } from "./upstream-line";

/** One task as a line; on a phone as a card. */
export function TaskRow({ task, stats }: { task: Task; stats: Stats | undefined }) {
  const now = useNow();
  const minutes = stats?.minutes;
  const counts = stats?.tasks?.[task.name];
  const hour = minutes && lately(minutes, now, 60, task.name);
  const five = minutes && lately(minutes, now, 5, task.name);
  const ended = hour ? hour.succeeded + hour.failed : 0;
  const queue = counts && (counts.pending ?? 0) + (counts.waiting ?? 0);
  const columns = minutes && lastMinutes(minutes, now, 60, task.name);
  const figure = (name: string, value: ReactNode, search?: JobsSearch, bad = false) => (
    <div className="task-figure" data-bad={bad || undefined}>
      <dt>{name}</dt>
      <dd>
        {search ? (
          <Link to="/ui/jobs" search={{ task: task.name, ...search }} className="link">
            {value}
          </Link>
        ) : (
          value
        )}
      </dd>
    </div>
  );
  return (
    <li className="task-row" data-testid="task" data-task={task.name} data-paused={task.paused || undefined}>
      <div className="task-head">
        <h2>
          <Link to="/ui/jobs" search={{ task: task.name }} className="task-name">
            {task.name}
          </Link>
        </h2>
        {task.description && <p className="muted clip">{task.description}</p>}
      </div>
      <dl className="task-figures">
        {figure("Per minute", five ? rate((five.succeeded + five.failed) / 5) : "–")}
        {figure(
          "Failed",
          hour
            ? `${formatCount(hour.failed)}${hour.failed ? ` · ${percent(hour.failed / ended)}` : ""}`
            : formatCount(counts?.failed ?? 0),
          { state: ["failed"], ...(hour && { created_after: "1h" }) },
          hour !== undefined && hour.failed * 10 >= ended && hour.failed > 0,
        )}
        {figure("Run p95", hour?.run.p95 == null ? "–" : formatDuration(hour.run.p95 * 1_000))}
        {figure("Queue", queue === undefined ? "–" : formatCount(queue), { state: ["pending", "waiting"] })}
        {figure("Running", counts ? formatCount(counts.running ?? 0) : "–", { state: ["running"] })}
      </dl>
      {columns && (
        <Spark
          label={`Last hour: ${hour?.succeeded ?? 0} succeeded, ${hour?.failed ?? 0} failed`}
          columns={columns.map(({ at, succeeded, failed }) => ({
            at,
            parts: [
              { tone: "bad", value: failed },
              { tone: "good", value: succeeded },
            ],
          }))}
        />
      )}
      <PauseButton task={task} />
      {task.upstreams?.map((upstream) => (
        <UpstreamLine key={upstream.name} upstream={upstream} />
      ))}
      {task.unavailable?.[0] && (
        <p className="task-pause" data-testid="unavailable">
          <Icon name="alert" />
          <span>
            Unavailable on {task.unavailable.length === 1 ? "one worker" : `${task.unavailable.length} workers`} since{" "}
            <Age at={task.unavailable[0].at} />. It is tried again; its jobs run on other workers or wait.{" "}
            <span className="muted">{task.unavailable[0].error}</span>
          </span>
        </p>
      )}
      {task.paused && (
        <p className="task-pause">
          <Icon name="pause" />
          <span>
            {task.pause?.by === "brake" ? "Paused itself" : "Paused"}
            {task.pause && (
              <>
                {" "}
                <Age at={task.pause.at} suffix=" ago" />
              </>
            )}
            {task.pause?.by === "brake" && ", because its attempts all failed alike"}. Its jobs wait and lose nothing.
            {task.pause?.reason && <span className="muted"> {task.pause.reason}</span>}
          </span>
        </p>
      )}
    </li>
  );
}

function rate(perMinute: number): string {
  return perMinute > 0 && perMinute < 10 ? perMinute.toFixed(1) : formatCount(Math.round(perMinute));
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;
}
