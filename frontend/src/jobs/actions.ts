import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { explain } from "../api/client";
import { cancelJob, deleteJob, jobQuery, redriveJob, statsQuery } from "../api/queries";
import { isFinal, type Job } from "../api/types";
import { useNotify } from "../ui/notices";
import { useLive } from "./live-context";
import { newerView } from "./live-jobs";

export type Action = "cancel" | "redrive" | "delete";

/** What a person may do to this job now. */
export function allowed(job: Job): Record<Action, boolean> {
  const final = isFinal(job.state);
  return { cancel: !final && !job.cancel_requested, redrive: job.state === "failed", delete: final };
}

const DONE: Record<Action, string> = { cancel: "cancelled", redrive: "redriven", delete: "deleted" };
/** Requests at once: a browser opens six connections to one server, and the stream has one of them. */
const AT_ONCE = 4;

/** The three actions on one job or many, each telling what came of it. */
export function useJobActions() {
  const queries = useQueryClient();
  const live = useLive();
  const notify = useNotify();

  return useMemo(() => {
    const take = (job: Job) => {
      queries.setQueryData(jobQuery(job.id).queryKey, (known) => newerView(known, job));
      live.jobs.apply(job);
    };
    const counted = () => void queries.invalidateQueries({ queryKey: statsQuery.queryKey });

    const act = async (action: Action, id: string): Promise<Job | null> => {
      if (action === "delete") {
        await deleteJob(id);
        live.jobs.forget(id);
        queries.removeQueries({ queryKey: jobQuery(id).queryKey });
        return null;
      }
      const job = await (action === "cancel" ? cancelJob(id) : redriveJob(id));
      take(job);
      return job;
    };

    /** Does it to one job; true if it was done. */
    const one = async (action: Action, id: string): Promise<boolean> => {
      try {
        const job = await act(action, id);
        if (action === "delete") notify("good", "Job deleted.");
        else if (action === "redrive") notify("good", "Redriven: the job starts a new series of attempts.");
        else if (job?.state === "cancelled") notify("good", "Job cancelled.");
        else notify("good", "Cancel requested: its worker is being told.");
        return true;
      } catch (error) {
        notify("bad", explain(error));
        return false;
      } finally {
        counted();
      }
    };

    /** Does it to each of many, and says at the end how many refused and why the first did. */
    const many = async (action: Action, ids: readonly string[]): Promise<void> => {
      const left = [...ids];
      const refused: unknown[] = [];
      const work = async () => {
        for (let id = left.shift(); id !== undefined; id = left.shift()) {
          await act(action, id).catch((error: unknown) => refused.push(error));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const done = ids.length - refused.length;
      if (done) notify("good", `${done === 1 ? "One job" : `${done} jobs`} ${DONE[action]}.`);
      if (refused.length) notify("bad", `${refused.length} refused: ${explain(refused[0])}`);
      counted();
    };

    return { one, many };
  }, [queries, live, notify]);
}
