import type { ConnectionStatus } from "jobstream-events";
import type { JobState, Stats } from "../api/types";
import type { JobsSearch } from "../search";
import { formatAge, formatCount } from "../time/format";
import { failingTasks } from "./minutes";

/** One thing that is not as it should be, and the list that explains it. */
export interface Finding {
  text: string;
  to: { view: "jobs"; search: JobsSearch } | { view: "tasks" } | null;
}

export interface Verdict {
  kind: "good" | "warn" | "bad";
  title: string;
  findings: Finding[];
}

/** So long may a job wait for a worker before somebody should hear of it. */
const LONG_WAIT = 60;

const jobs = (search: JobsSearch): Finding["to"] => ({ view: "jobs", search });

/** One line of truth about the whole, and what it rests on. */
export function verdictOf(stats: Stats, connection: ConnectionStatus, now: number): Verdict {
  const findings: Finding[] = [];
  const failing = failingTasks(stats.minutes ?? [], now);
  for (const { task, failed, of } of failing) {
    const search = { task, state: ["failed" as JobState], created_after: "15m" };
    findings.push({
      text: `${task}: ${formatCount(failed)} of ${formatCount(of)} failed in five minutes`,
      to: jobs(search),
    });
  }
  if (stats.workers.length === 0) findings.push({ text: "No worker is alive: jobs are stored and wait", to: null });
  for (const [task, { by, reason }] of Object.entries(stats.pauses)) {
    const text = `${task} ${by === "brake" ? "has paused itself" : "is paused"}${reason ? `: ${reason}` : ""}`;
    findings.push({ text, to: { view: "tasks" } });
  }
  for (const [task, waiting] of Object.entries(stats.no_worker)) {
    const text = `No live worker runs ${task}: ${formatCount(waiting)} waiting`;
    findings.push({ text, to: jobs({ task, state: ["waiting"] }) });
  }
  if (stats.lag === null) findings.push({ text: "Kafka does not answer: jobs are stored and wait", to: null });
  const oldest = stats.oldest_pending_seconds ?? 0;
  if (oldest > LONG_WAIT) {
    const text = `The oldest pending job waits for ${formatAge(oldest * 1_000)}`;
    findings.push({ text, to: jobs({ state: ["pending"] }) });
  }

  if (connection.state !== "live" && connection.reason !== "starting") {
    return { kind: "bad", title: "Not connected: these figures are old", findings };
  }
  if (stats.workers.length === 0) return { kind: "bad", title: "Nothing runs", findings };
  if (failing.length) {
    return {
      kind: "bad",
      title: failing.length === 1 ? "One task is failing" : `${failing.length} tasks are failing`,
      findings,
    };
  }
  if (findings.length) return { kind: "warn", title: "Running, with a reservation", findings };
  return { kind: "good", title: "All is well", findings };
}
