import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { type JobFilter, jobQuery, jobsQuery } from "../../api/queries";
import { type CancelFilter, isFinal } from "../../api/types";
import { mentions } from "../../jobs/facts";
import { useLiveJobs } from "../../jobs/live-context";
import { withProgress } from "../../jobs/live-jobs";
import { mergeJobs, readList } from "../../jobs/merge";
import { filterOf, type JobsSearch } from "../../search";
import { formatCount } from "../../time/format";
import { useTitle } from "../../title";
import { Button } from "../../ui/controls";
import { LoadError } from "../../ui/feedback";
import { EmptyJobs, ListSkeleton, NothingFound } from "./blank-lists";
import { FilterBar } from "./filter-bar";
import { JobList } from "./job-list";

const WHOLE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Every job, newest first, live; the URL says which. */
export function JobsView() {
  const search = useSearch({ from: "/ui/jobs" });
  const navigate = useNavigate({ from: "/ui/jobs" });
  const setSearch = (next: JobsSearch) => void navigate({ search: next, replace: true });

  useTitle("Jobs");
  // To the minute, so that what changes beside a span before now does not make it another list.
  const filter = useMemo(() => filterOf(search, Math.floor(Date.now() / 60_000) * 60_000), [search]);
  const list = useInfiniteQuery(jobsQuery(filter));
  const live = useLiveJobs();
  const text = search.q ?? "";
  const wholeId = WHOLE_ID.test(text);
  const exact = useQuery({ ...jobQuery(text.toLowerCase()), enabled: wholeId, retry: false });

  const read = useMemo(() => list.data && readList(list.data.pages), [list.data]);
  const merged = useMemo(() => read && mergeJobs(read, live, filter), [read, live, filter]);
  const jobs = useMemo(() => {
    if (wholeId)
      return exact.data
        ? [withProgress(exact.data, live.progress.get(exact.data.id))]
        : exact.isPending
          ? undefined
          : [];
    return text ? merged?.filter((job) => mentions(job, text)) : merged;
  }, [wholeId, exact.data, exact.isPending, text, merged, live]);

  const filtered = Object.keys(search).length > 0;
  const older = list.hasNextPage && !wholeId;

  return (
    <div className="jobs">
      <FilterBar search={search} onChange={setSearch} />
      {list.isError && !list.data ? (
        <LoadError what="Jobs" error={list.error} onRetry={() => void list.refetch()} />
      ) : jobs === undefined ? (
        <ListSkeleton />
      ) : jobs.length === 0 && !filtered ? (
        <EmptyJobs />
      ) : jobs.length === 0 && !older ? (
        <NothingFound text={text} onClear={() => setSearch({})} />
      ) : (
        <JobList
          key={JSON.stringify(search)}
          jobs={jobs}
          onTag={(tag) => setSearch({ ...search, tag: [...new Set([...filter.tag, tag])] })}
          matching={text ? null : matchingOf(filter)}
          onNearEnd={!text && older && !list.isFetchingNextPage ? () => void list.fetchNextPage() : undefined}
          end={
            text && older ? (
              <>
                Searched the newest {merged?.length ?? 0} jobs.
                <Button size="small" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                  Search older ones
                </Button>
              </>
            ) : older ? (
              `${formatCount(jobs.length)} shown, loading older ones…`
            ) : (
              `${jobs.length === 1 ? "One job" : `All ${formatCount(jobs.length)} jobs`} shown.`
            )
          }
        />
      )}
    </div>
  );
}

/** The filter as `POST /jobs/cancel` takes it; null if it says more than that, or nothing. */
function matchingOf({ state: [state, ...more], tag, task, batch, ...others }: JobFilter): CancelFilter | null {
  if (more.length > 0 || tag.length > 1 || (state && isFinal(state)) || Object.keys(others).length > 0) return null;
  const filter = {
    ...(state && { state }),
    ...(tag[0] !== undefined && { tag: tag[0] }),
    ...(task !== undefined && { task }),
    ...(batch !== undefined && { batch }),
  };
  return Object.keys(filter).length ? filter : null;
}
