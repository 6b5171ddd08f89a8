import { useQuery } from "@tanstack/react-query";
import { Link, useLocation, useNavigate, useParams } from "@tanstack/react-router";
import { ApiError } from "../../api/client";
import { attemptsQuery, jobQuery } from "../../api/queries";
import type { Job } from "../../api/types";
import { useFollowJob } from "../../jobs/live-context";
import { useKeys } from "../../keys";
import { useTitle } from "../../title";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { Icon, stateWord } from "../../ui/icons";
import { JsonTree } from "../../ui/json-tree";
import { Details } from "./details";
import { EventList } from "./event-list";
import { JobHeader } from "./job-header";
import { Logs } from "./logs";
import { Result } from "./result";
import { Timeline } from "./timeline";
import { Trouble } from "./trouble";

/** One job, live: where it stands, how it got there, what went in and what came out. */
export function JobView() {
  const { id } = useParams({ from: "/ui/jobs/$id" });
  const navigate = useNavigate();
  const { data: job, error, refetch, isPending } = useQuery(jobQuery(id));
  const list = useLocation({ select: ({ state }) => state.list }) ?? {};
  useFollowJob(id, job);
  useTitle(job ? `${stateWord(job.state)}: ${job.task}` : "Job");
  useKeys({ Escape: () => void navigate({ to: "/ui/jobs", search: list, state: { cursor: id } }) });

  return (
    <article className="job">
      <Link to="/ui/jobs" search={list} state={{ cursor: id }} className="back">
        <Icon name="left" />
        Jobs
      </Link>
      {job ? (
        <Loaded key={job.id} job={job} />
      ) : isPending ? (
        <JobSkeleton />
      ) : error instanceof ApiError && error.status === 404 ? (
        <Blank icon="search" title="There is no such job">
          <p>
            It may have been deleted, or its time to be kept is over. Its id was <span className="mono">{id}</span>.
          </p>
          <div className="blank-actions">
            <Link to="/ui/jobs" className="button">
              See all jobs
            </Link>
          </div>
        </Blank>
      ) : (
        <LoadError what="The job" error={error} onRetry={() => void refetch()} />
      )}
    </article>
  );
}

function Loaded({ job }: { job: Job }) {
  const { data: attempts = [] } = useQuery(attemptsQuery(job.id, job.version));
  const percent = job.progress?.percent ?? null;
  return (
    <>
      <JobHeader job={job} />
      <div className="job-columns">
        <div className="job-main">
          {job.state === "running" && percent !== null && (
            <div className="job-progress">
              <span>{job.progress?.message ?? "Progress"}</span>
              <span className="muted">{Math.round(percent)} %</span>
              <span
                className="bar"
                role="progressbar"
                aria-label="Progress"
                aria-valuemin={0}
                aria-valuemax={100}
                aria-valuenow={Math.round(percent)}
              >
                <i style={{ width: `${percent}%` }} />
              </span>
            </div>
          )}
          {job.state === "failed" && job.error && <Trouble job={job} error={job.error} />}
          <Timeline job={job} attempts={attempts} />
          <Result job={job} />
          <Logs job={job} />
        </div>
        <div className="job-aside">
          <Details job={job} />
          <section className="card" aria-labelledby="payload">
            <h2 id="payload">Payload</h2>
            <JsonTree value={job.payload} label="payload" />
          </section>
          <EventList job={job} />
        </div>
      </div>
    </>
  );
}

function JobSkeleton() {
  return (
    <div className="job-skeleton" role="status" aria-label="Loading the job">
      <Skeleton width={260} />
      <Skeleton width={380} />
      <Skeleton width="100%" />
      <Skeleton width="82%" />
      <Skeleton width="91%" />
    </div>
  );
}
