import { useQuery } from "@tanstack/react-query";
import { resultQuery } from "../../api/queries";
import type { Job } from "../../api/types";
import { readPictures } from "../../jobs/pictures";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { JsonTree } from "../../ui/json-tree";
import { Gallery } from "./gallery";

/** What came out; a large result is asked for on its own. */
export function Result({ job }: { job: Job }) {
  const apart = job.state === "succeeded" && job.result === null && Boolean(job.result_url);
  const large = useQuery({ ...resultQuery(job.id, job.version), enabled: apart });
  if (job.state !== "succeeded") return null;
  if (apart && large.isError) {
    return <LoadError what="The result" error={large.error} onRetry={() => void large.refetch()} />;
  }
  if (apart && large.data === undefined) {
    return (
      <section className="card" aria-label="Loading the result">
        <Skeleton width="60%" />
      </section>
    );
  }
  const result = apart ? (large.data ?? null) : job.result;
  const pictures = readPictures(job, result);
  if (pictures?.length) return <Gallery job={job.id} pictures={pictures} result={result} />;
  return (
    <section className="card" aria-labelledby="result">
      <h2 id="result">Result</h2>
      {pictures ? (
        <Blank icon="picture" title="No picture was found">
          <p>The provider knows none for these words. That is an answer, not an error.</p>
        </Blank>
      ) : (
        <JsonTree value={result} label="result" />
      )}
    </section>
  );
}
