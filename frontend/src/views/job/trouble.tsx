import { Link } from "@tanstack/react-router";
import type { Job, JobError } from "../../api/types";
import { TROUBLES } from "../../jobs/troubles";
import { Icon } from "../../ui/icons";

/** What went wrong in plain words, and what one can do. */
export function Trouble({ job, error }: { job: Job; error: JobError }) {
  const known = TROUBLES[error.kind ?? "exhausted"] ?? TROUBLES.exhausted;
  return (
    <section className="trouble" aria-labelledby="trouble">
      <h2 id="trouble">
        <Icon name="alert" />
        {known.title}
      </h2>
      <p>{known.means}</p>
      <p className="trouble-message mono">
        <strong>{error.type}</strong> {error.message}
      </p>
      <h3>What you can do</h3>
      <ul>
        {known.advice.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p className="trouble-links">
        <Link to="/ui/new" search={{ task: job.task, from: job.id }} className="link">
          Edit the payload and submit again
        </Link>
        <Link to="/ui/jobs" search={{ task: job.task, state: ["failed"], error_type: error.type }} className="link">
          See all that failed alike
        </Link>
      </p>
    </section>
  );
}
