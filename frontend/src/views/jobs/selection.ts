import { useCallback, useMemo, useState } from "react";
import type { Job } from "../../api/types";

export interface Selection {
  ids: ReadonlySet<string>;
  /** Selects it, or no longer; with `through`, all between it and the last one touched as well. */
  toggle: (id: string, through?: boolean) => void;
  all: () => void;
  clear: () => void;
}

/** The rows that are ticked; one that has left the list is no longer counted. */
export function useSelection(rows: readonly Job[]): Selection & { jobs: Job[] } {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const [last, setLast] = useState<string | null>(null);

  const toggle = useCallback(
    (id: string, through = false) => {
      setLast(id);
      setIds((known) => {
        const next = new Set(known);
        const from = through ? rows.findIndex((job) => job.id === last) : -1;
        const to = rows.findIndex((job) => job.id === id);
        if (from >= 0) for (const job of rows.slice(Math.min(from, to), Math.max(from, to) + 1)) next.add(job.id);
        else if (!next.delete(id)) next.add(id);
        return next;
      });
    },
    [rows, last],
  );
  const jobs = useMemo(() => (ids.size ? rows.filter(({ id }) => ids.has(id)) : []), [rows, ids]);
  return {
    ids,
    jobs,
    toggle,
    all: useCallback(() => setIds(new Set(rows.map(({ id }) => id))), [rows]),
    clear: useCallback(() => setIds(new Set()), []),
  };
}
