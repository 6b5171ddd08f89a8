import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { type JobFilter, jobQuery, jobsQuery } from "../../api/queries";
import { mentions } from "../../jobs/facts";
import { useLiveJobs } from "../../jobs/live-context";
import { withProgress } from "../../jobs/live-jobs";
import { mergeJobs } from "../../jobs/merge";
import type { JobsSearch } from "../../search";
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
  const filter = useMemo<JobFilter>(
    () => ({ state: search.state ?? [], task: search.task ?? null, tag: search.tag ?? [] }),
    [search.state, search.task, search.tag],
  );
  const list = useInfiniteQuery(jobsQuery(filter));
  const live = useLiveJobs();
  const text = search.q ?? "";
  const wholeId = WHOLE_ID.test(text);
  const exact = useQuery({ ...jobQuery(text.toLowerCase()), enabled: wholeId, retry: false });

  const merged = useMemo(
    () => (list.data ? mergeJobs(list.data.pages, live, filter) : undefined),
    [list.data, live, filter],
  );
  const jobs = useMemo(() => {
    if (wholeId)
      return exact.data
        ? [withProgress(exact.data, live.progress.get(exact.data.id))]
        : exact.isPending
          ? undefined
          : [];
    return text ? merged?.filter((job) => mentions(job, text)) : merged;
  }, [wholeId, exact.data, exact.isPending, text, merged, live]);

  const filtered = filter.state.length > 0 || filter.task !== null || filter.tag.length > 0 || text !== "";
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
      ) : jobs.length === 0 && !(text && older) ? (
        <NothingFound text={text} onClear={() => setSearch({})} />
      ) : (
        <JobList
          key={JSON.stringify([filter, text])}
          jobs={jobs}
          onTag={(tag) => setSearch({ ...search, tag: [...new Set([...filter.tag, tag])] })}
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
              "Loading older jobs…"
            ) : (
              `${jobs.length === 1 ? "One job" : `All ${jobs.length} jobs`} shown.`
            )
          }
        />
      )}
    </div>
  );
}
