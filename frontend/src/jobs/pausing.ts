import { useMutation, useQueryClient } from "@tanstack/react-query";
import { explain } from "../api/client";
import { pauseTask, resumeTask, statsQuery, tasksQuery } from "../api/queries";
import { useNotify } from "../ui/notices";

/** Pauses and resumes one task, and tells what came of it. */
export function usePausing(name: string) {
  const queries = useQueryClient();
  const notify = useNotify();
  const change = useMutation({
    // The reason to pause for, or null to resume.
    mutationFn: (reason: string | null) => (reason === null ? resumeTask(name) : pauseTask(name, reason)),
    onSuccess: (_task, reason) => notify("good", reason === null ? `${name} goes on.` : `${name} is paused.`),
    onError: (error) => notify("bad", explain(error)),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: statsQuery.queryKey });
      return queries.invalidateQueries({ queryKey: tasksQuery.queryKey });
    },
  });
  return {
    isPending: change.isPending,
    pause: (reason: string) => change.mutate(reason),
    resume: () => change.mutate(null),
  };
}
