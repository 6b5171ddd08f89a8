import { Link } from "@tanstack/react-router";
import { Button, CodeBlock } from "../../ui/controls";
import { Blank, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";

/** A fresh installation: shows the way in, by hand and by command. */
export function EmptyJobs() {
  const curl = `curl -X POST ${window.location.origin}/jobs \\
  -H 'content-type: application/json' \\
  -d '{"task": "image.search", "payload": {"query": "mountains"}}'`;
  return (
    <Blank icon="jobs" title="No jobs yet">
      <p>
        A job runs one task with one payload. Submit the first one here or from a terminal, and watch it arrive live.
      </p>
      <div className="blank-actions">
        <Link to="/ui/new" className="button" data-look="primary">
          <Icon name="plus" />
          New job
        </Link>
        <a href="/docs" className="button">
          API docs
        </a>
      </div>
      <CodeBlock text={curl} label="the command" />
    </Blank>
  );
}

export function NothingFound({ text, onClear }: { text: string; onClear: () => void }) {
  return (
    <Blank icon="search" title={text ? `No job mentions “${text}”` : "No job is like that now"}>
      <p>New jobs that match appear here by themselves.</p>
      <div className="blank-actions">
        <Button onClick={onClear}>Clear all filters</Button>
      </div>
    </Blank>
  );
}

const WIDTHS = [62, 48, 71, 55, 66, 44, 58, 69, 50, 61];

export function ListSkeleton() {
  return (
    <div className="list-skeleton" role="status" aria-label="Loading jobs">
      {WIDTHS.map((width, index) => (
        <div key={width} className="list-skeleton-row" style={{ opacity: 1 - index * 0.08 }}>
          <Skeleton width={86} />
          <Skeleton width={96} />
          <Skeleton width={`${width}%`} />
        </div>
      ))}
    </div>
  );
}
