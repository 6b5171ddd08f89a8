import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { memo, useEffect, useState } from "react";
import { resultQuery } from "../../api/queries";
import type { Job } from "../../api/types";
import { goesOnAt, payloadFacts, resultColours, shortId, waitingFor } from "../../jobs/facts";
import type { JobsSearch } from "../../search";
import { StateIcon, stateWord } from "../../ui/icons";
import { Age, Countdown, Span } from "../../ui/times";

interface JobRowProps {
  job: Job;
  index: number;
  top: number;
  current: boolean;
  ticked: boolean;
  /** The list as the URL describes it, to come back to. */
  list: JobsSearch;
  onTag: (tag: string) => void;
  onTick: (id: string, through: boolean) => void;
}

export const JobRow = memo(function JobRow({ job, index, top, current, ticked, list, onTag, onTick }: JobRowProps) {
  return (
    <div
      className="row"
      role="row"
      aria-rowindex={index + 2}
      data-testid="job-row"
      data-job-id={job.id}
      data-state={job.state}
      data-ticked={ticked || undefined}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="cell" className="cell-tick">
        <input
          type="checkbox"
          className="tick-box"
          aria-label={`Select job ${shortId(job.id)}`}
          tabIndex={current ? 0 : -1}
          checked={ticked}
          onChange={(event) => onTick(job.id, (event.nativeEvent as MouseEvent).shiftKey)}
        />
      </span>
      <span role="cell" className="state cell-state">
        <StateIcon state={job.state} />
        {job.cancel_requested && job.state === "running" ? "Cancelling" : stateWord(job.state)}
      </span>
      <span role="cell" className="cell-task">
        <Link
          to="/ui/jobs/$id"
          params={{ id: job.id }}
          state={{ list }}
          className="row-link"
          tabIndex={current ? 0 : -1}
        >
          {job.task}
        </Link>
      </span>
      <span role="cell" className="cell-payload">
        {payloadFacts(job).map(({ name, value }) => (
          <span key={name ?? ""} className={name ? "fact" : "fact fact-lead"}>
            {name && <span className="faint">{name} </span>}
            {value}
          </span>
        ))}
        {job.tags.slice(0, 3).map((tag) => (
          <button
            key={tag}
            type="button"
            className="tag"
            tabIndex={-1}
            title={`Only jobs tagged ${tag}`}
            onClick={() => onTag(tag)}
          >
            {tag}
          </button>
        ))}
      </span>
      <span role="cell" className="cell-now">
        <Now job={job} />
      </span>
      <span role="cell" className="cell-id mono faint" title={job.id}>
        {shortId(job.id)}
      </span>
      <span role="cell" className="cell-attempt" data-many={job.attempt > 1 || undefined}>
        {job.attempt > 0 ? `${job.attempt}/${job.max_attempts}` : "–"}
      </span>
      <span role="cell" className="cell-age">
        <Age at={job.created_at} />
      </span>
      <span role="cell" className="cell-duration">
        {job.started_at ? <Span start={job.started_at} end={job.finished_at} /> : "–"}
      </span>
    </div>
  );
});

/** What is going on with it, in the space of a few words. */
function Now({ job }: { job: Job }) {
  switch (job.state) {
    case "running": {
      if (!job.progress) return null;
      const { percent, message } = job.progress;
      return (
        <>
          <span className="bar" role="img" aria-label={`${Math.round(percent)} percent`}>
            <i style={{ width: `${percent}%` }} />
          </span>
          <span className="clip muted">{message ?? `${Math.round(percent)} %`}</span>
        </>
      );
    }
    case "waiting": {
      const until = goesOnAt(job);
      return (
        <span className="clip muted">
          {waitingFor(job.reason)} {until !== null && <Countdown until={until} />}
        </span>
      );
    }
    case "failed":
      return (
        <span className="clip cell-error" title={job.error?.message}>
          {job.error?.message || job.error?.type}
        </span>
      );
    case "succeeded":
      return job.task === "image.search" ? <Swatches job={job} /> : null;
    default:
      return null;
  }
}

const A_GLANCE = 1_000;

/**
 * The colours of the pictures that were found. An event of the list leaves a result over 4 KiB out; it is asked for once
 * the row has stood still for a second, so that a list in a hurry asks for nothing.
 */
function Swatches({ job }: { job: Job }) {
  const missing = job.result === null;
  const [looked, setLooked] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLooked(true), A_GLANCE);
    return () => clearTimeout(timer);
  }, []);
  const { data } = useQuery({ ...resultQuery(job.id, job.version), enabled: missing && looked, retry: false });
  const colours = resultColours(missing ? (data ?? null) : job.result);
  if (colours.length === 0) return null;
  return (
    <span className="swatches" role="img" aria-label={`${colours.length} pictures`}>
      {colours.map((colour, index) => (
        <i key={index} style={{ background: colour }} />
      ))}
    </span>
  );
}
