import { Link } from "@tanstack/react-router";
import type { Job } from "../../api/types";
import { isFinal } from "../../api/types";
import { goesOnAt, shortId, waitingFor } from "../../jobs/facts";
import { formatExact } from "../../time/format";
import { Age, Countdown, Span } from "../../ui/times";

/** The plain facts. */
export function Details({ job }: { job: Job }) {
  const until = goesOnAt(job);
  return (
    <section className="card" aria-labelledby="details">
      <h2 id="details">Details</h2>
      <dl className="facts">
        <div>
          <dt>Submitted</dt>
          <dd>
            <Age at={job.created_at} suffix=" ago" />
          </dd>
        </div>
        {job.wake_at && until !== null && (
          <div>
            <dt>{waitingFor(job.reason)}</dt>
            <dd title={formatExact(job.wake_at)}>
              <Countdown until={until} />
            </dd>
          </div>
        )}
        {job.state === "waiting" && until === null && (
          <div>
            <dt>Waits</dt>
            <dd>{waitingFor(job.reason)}</dd>
          </div>
        )}
        {job.started_at && (
          <div>
            <dt>{isFinal(job.state) ? "From start to end" : "Since its start"}</dt>
            <dd>
              <Span start={job.started_at} end={job.finished_at} />
            </dd>
          </div>
        )}
        {job.finished_at && (
          <div>
            <dt>In all</dt>
            <dd>
              <Span start={job.created_at} end={job.finished_at} />
            </dd>
          </div>
        )}
        <div>
          <dt>Attempts</dt>
          <dd>
            {job.attempt} of at most {job.max_attempts}
          </dd>
        </div>
        {job.priority === "low" && (
          <div>
            <dt>Priority</dt>
            <dd>low</dd>
          </div>
        )}
        {job.expire_by && !isFinal(job.state) && (
          <div>
            <dt>Expires</dt>
            <dd title={formatExact(job.expire_by)}>
              <Countdown until={Date.parse(job.expire_by)} />, if nobody has started it
            </dd>
          </div>
        )}
        {job.batch !== null && (
          <div>
            <dt>Batch</dt>
            <dd>
              <Link to="/ui/jobs" search={{ batch: job.batch }} className="link mono" title={job.batch}>
                {shortId(job.batch)}
              </Link>
            </dd>
          </div>
        )}
        {job.unique_key !== null && (
          <div>
            <dt>Unique key</dt>
            <dd className="mono">{job.unique_key}</dd>
          </div>
        )}
        {job.redrives > 0 && (
          <div>
            <dt>Redriven</dt>
            <dd>{job.redrives === 1 ? "once" : `${job.redrives} times`}</dd>
          </div>
        )}
        <div>
          <dt>Version</dt>
          <dd className="mono">
            {job.version}.{job.revision}
          </dd>
        </div>
        {job.tags.length > 0 && (
          <div>
            <dt>Tags</dt>
            <dd className="facts-tags">
              {job.tags.map((tag) => (
                <Link key={tag} to="/ui/jobs" search={{ tag: [tag] }} className="tag">
                  {tag}
                </Link>
              ))}
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}
