import { useQuery } from "@tanstack/react-query";
import { hourQuery } from "../../api/queries";
import type { Stats } from "../../api/types";
import { lastMinutes, spanOf } from "../../figures/minutes";
import { useNow } from "../../time/clock";
import { useTitle } from "../../title";
import { LoadError, Skeleton } from "../../ui/feedback";
import { Latency, Throughput } from "./hour";
import { Lag, Workers } from "./machinery";
import { Tiles } from "./tiles";
import { Truth } from "./truth";

/** How the whole is doing, and where to look next. */
export function OverviewView() {
  useTitle("Overview");
  const { data: stats, error, refetch } = useQuery(hourQuery);
  return (
    <div className="overview">
      <h1 className="visually-hidden">Overview</h1>
      {stats ? (
        <Loaded stats={stats} />
      ) : error ? (
        <LoadError what="The figures" error={error} onRetry={() => void refetch()} />
      ) : (
        <div className="overview-skeleton" role="status" aria-label="Loading the figures">
          <Skeleton width="40%" />
          <Skeleton width="100%" />
          <Skeleton width="100%" />
        </div>
      )}
    </div>
  );
}

function Loaded({ stats }: { stats: Stats }) {
  const now = useNow();
  const minutes = stats.minutes && lastMinutes(stats.minutes, now, spanOf(stats.minutes, now));
  return (
    <>
      <Truth stats={stats} />
      <Tiles stats={stats} />
      <div className="overview-charts">
        <Throughput minutes={minutes} />
        <Latency minutes={minutes} />
      </div>
      <div className="overview-charts">
        <Workers workers={stats.workers} />
        <Lag lag={stats.lag} streams={stats.streams} />
      </div>
    </>
  );
}
