import type { Job, JobState } from "../../api/types";
import { isFinal } from "../../api/types";
import { useEventLog } from "../../jobs/live-context";
import { formatClock } from "../../time/format";
import { StateIcon, stateWord } from "../../ui/icons";

/** What this page heard of the job, newest first. */
export function EventList({ job }: { job: Job }) {
  const entries = useEventLog();
  return (
    <section className="card" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {entries.length === 0 ? (
        <p className="faint">
          {isFinal(job.state)
            ? "The job had ended before this page was opened. New events would appear here."
            : "Events appear here as they come."}
        </p>
      ) : (
        <ol className="events">
          {entries.toReversed().map(({ key, at, event, version, revision, state, text }) => (
            <li key={key}>
              <time className="mono faint">{formatClock(at)}</time>
              {state ? (
                <span className="state" data-state={state}>
                  <StateIcon state={state as JobState} />
                  {stateWord(state as JobState)}
                </span>
              ) : (
                <span className="muted">{event}</span>
              )}
              <span className="events-text muted">{text}</span>
              <span className="mono faint">
                {version}.{revision}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
