import { useLocation, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Job } from "../../api/types";
import type { Action } from "../../jobs/actions";
import { useKeys } from "../../keys";
import type { JobsSearch } from "../../search";
import type { Selection } from "./selection";

interface CursorParts {
  rows: readonly Job[];
  list: JobsSearch;
  selection: Selection;
  scrollTo: (index: number) => void;
  /** c and r: for what is selected, else for the row that has the focus. */
  onAction: (action: Action, current: Job | undefined) => void;
}

function rowOf(id: string): HTMLElement | undefined {
  return [...document.querySelectorAll<HTMLElement>("[data-job-id]")].find((row) => row.dataset.jobId === id);
}

/** Moves through the rows with j and k; x ticks, enter opens, c and r act. Returns the id of the row it stands on. */
export function useCursor({ rows, list, selection, scrollTo, onAction }: CursorParts): string | null {
  const navigate = useNavigate();
  const lastOpened = useLocation({ select: ({ state }) => state.cursor }) ?? null;
  const [cursor, setCursor] = useState<string | null>(lastOpened);

  // The focus follows two frames later: keys that come faster must find where the one before has gone.
  const place = useRef(lastOpened);
  useEffect(() => {
    const onFocus = ({ target }: FocusEvent) => {
      const row = target instanceof Element ? target.closest<HTMLElement>("[data-job-id]") : null;
      if (row?.dataset.jobId) place.current = row.dataset.jobId;
    };
    document.addEventListener("focusin", onFocus);
    return () => document.removeEventListener("focusin", onFocus);
  }, []);
  const current = (): Job | undefined => rows.find((job) => job.id === place.current);
  const focus = (index: number) => {
    const job = rows[index];
    if (!job) return;
    setCursor(job.id);
    place.current = job.id;
    scrollTo(index);
    // The row may be drawn only after the list has scrolled to it.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        if (place.current === job.id) rowOf(job.id)?.querySelector<HTMLElement>("a")?.focus();
      }),
    );
  };
  const move = (step: number) => {
    const at = rows.findIndex((job) => job.id === current()?.id);
    focus(at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step)));
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: only on coming back, not whenever the rows change
  useEffect(() => {
    if (lastOpened) focus(rows.findIndex((job) => job.id === lastOpened));
  }, [lastOpened]);

  const tick = (through: boolean) => {
    const job = current();
    if (job) selection.toggle(job.id, through);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: (event) => {
      // What else has the focus has its own meaning of Enter.
      const { target } = event;
      if (target !== document.body && !(target instanceof Element && target.closest(".row-link"))) return false;
      const job = current();
      if (job) void navigate({ to: "/ui/jobs/$id", params: { id: job.id }, state: { list } });
      return true;
    },
    x: () => tick(false),
    X: () => tick(true),
    c: () => onAction("cancel", current()),
    r: () => onAction("redrive", current()),
    Escape: selection.clear,
  });
  return cursor;
}
