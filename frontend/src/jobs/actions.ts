import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { explain } from "../api/client";
import { cancelJob, deleteJob, jobQuery, redriveJob, statsQuery } from "../api/queries";
import { isFinal, type Job } from "../api/types";
import { useNotify } from "../ui/notices";
import { useLive } from "./live-context";
import { newerView } from "./live-jobs";

/** What a person may do to this job now. */
export function allowed(job: Job): { cancel: boolean; redrive: boolean; delete: boolean } {
  const final = isFinal(job.state);
  return { cancel: !final && !job.cancel_requested, redrive: job.state === "failed", delete: final };
}

/** The three actions, each telling what came of it. */
export function useJobActions() {
  const queries = useQueryClient();
  const live = useLive();
  const notify = useNotify();

  const take = useCallback(
    (job: Job) => {
      queries.setQueryData(jobQuery(job.id).queryKey, (known) => newerView(known, job));
      live.jobs.apply(job);
      void queries.invalidateQueries({ queryKey: statsQuery.queryKey });
    },
    [queries, live],
  );

  const cancel = useCallback(
    async (id: string) => {
      try {
        const job = await cancelJob(id);
        take(job);
        notify("good", job.state === "cancelled" ? "Job cancelled." : "Cancel requested: its worker is being told.");
      } catch (error) {
        notify("bad", explain(error));
      }
    },
    [take, notify],
  );

  const redrive = useCallback(
    async (id: string) => {
      try {
        take(await redriveJob(id));
        notify("good", "Redriven: the job starts a new series of attempts.");
      } catch (error) {
        notify("bad", explain(error));
      }
    },
    [take, notify],
  );

  const remove = useCallback(
    async (id: string): Promise<boolean> => {
      try {
        await deleteJob(id);
        live.jobs.forget(id);
        queries.removeQueries({ queryKey: jobQuery(id).queryKey });
        notify("good", "Job deleted.");
        return true;
      } catch (error) {
        notify("bad", explain(error));
        return false;
      }
    },
    [queries, live, notify],
  );

  return { cancel, redrive, remove };
}
