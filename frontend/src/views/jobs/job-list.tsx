import { useLocation, useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Job } from "../../api/types";
import { allowed, useJobActions } from "../../jobs/actions";
import { shortId } from "../../jobs/facts";
import { holdStill } from "../../jobs/merge";
import { useKeys } from "../../keys";
import { useIsPhone } from "../../phone";
import type { JobsSearch } from "../../search";
import { Confirm } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { JobRow } from "./job-row";

const ROW = 32;
const CARD = 92;
/** Scrolled further than this, the reader is reading: nothing may move under his eyes. */
const READING = 8;

interface JobListProps {
  jobs: Job[];
  onTag: (tag: string) => void;
  onNearEnd: (() => void) | undefined;
  end: ReactNode;
}

export function JobList({ jobs, onTag, onNearEnd, end }: JobListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<ReadonlyMap<string, Job> | null>(null);
  const { rows, waiting } = useMemo(() => (held ? holdStill(jobs, held) : { rows: jobs, waiting: 0 }), [jobs, held]);
  const phone = useIsPhone();
  const height = phone ? CARD : ROW;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are measured anew when their height changes
  useEffect(() => virtual.measure(), [height]);

  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onNearEnd && lastShown >= rows.length - 20) onNearEnd();
  }, [onNearEnd, lastShown, rows.length]);

  const list = useSearch({ from: "/ui/jobs" });
  const { cursor, confirm } = useCursor(rows, list, (index) => virtual.scrollToIndex(index));

  const onScroll = () => {
    const reading = (scroller.current?.scrollTop ?? 0) > READING;
    if (reading && !held) setHeld(new Map(rows.map((job) => [job.id, job])));
    if (!reading && held) setHeld(null);
  };

  return (
    <div className="list" role="table" aria-label="Jobs" aria-rowcount={rows.length + 1}>
      <div className="list-head" role="row">
        {COLUMNS.map((name) => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
      {waiting > 0 && (
        <button
          type="button"
          className="new-pill"
          data-testid="new-jobs"
          onClick={() => {
            setHeld(null);
            scroller.current?.scrollTo({ top: 0 });
          }}
        >
          <Icon name="up" />
          {waiting} new
        </button>
      )}
      <div className="list-scroll" role="rowgroup" ref={scroller} onScroll={onScroll}>
        <div className="list-rows" style={{ height: virtual.getTotalSize() }}>
          {items.map(({ index, start, key }) => {
            const job = rows[index];
            return (
              job && (
                <JobRow
                  key={key}
                  job={job}
                  index={index}
                  top={start}
                  current={cursor === job.id || (cursor === null && index === 0)}
                  list={list}
                  onTag={onTag}
                />
              )
            );
          })}
        </div>
        <div className="list-end faint">{end}</div>
      </div>
      {confirm}
    </div>
  );
}

const COLUMNS = ["State", "Task", "Payload", "Now", "Id", "Attempt", "Age", "Duration"];

function rowOf(id: string): HTMLElement | undefined {
  return [...document.querySelectorAll<HTMLElement>("[data-job-id]")].find((row) => row.dataset.jobId === id);
}

/** Moves through the rows with j and k, and acts on the one that has the focus. */
function useCursor(rows: Job[], list: JobsSearch, scrollTo: (index: number) => void) {
  const navigate = useNavigate();
  const actions = useJobActions();
  const lastOpened = useLocation({ select: ({ state }) => state.cursor }) ?? null;
  const [cursor, setCursor] = useState<string | null>(lastOpened);
  const [asking, setAsking] = useState<Job | null>(null);

  const current = (): Job | undefined => {
    const focused = document.activeElement?.closest<HTMLElement>("[data-job-id]")?.dataset.jobId;
    return rows.find((job) => job.id === (focused ?? cursor));
  };
  const focus = (index: number) => {
    const job = rows[index];
    if (!job) return;
    setCursor(job.id);
    scrollTo(index);
    // The row may be drawn only after the list has scrolled to it.
    requestAnimationFrame(() => requestAnimationFrame(() => rowOf(job.id)?.querySelector<HTMLElement>("a")?.focus()));
  };
  const move = (step: number) => {
    const at = rows.findIndex((job) => job.id === current()?.id);
    focus(at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step)));
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: only on coming back, not whenever the rows change
  useEffect(() => {
    if (lastOpened) focus(rows.findIndex((job) => job.id === lastOpened));
  }, [lastOpened]);
  const open = () => {
    const job = current();
    if (job) void navigate({ to: "/ui/jobs/$id", params: { id: job.id }, state: { list } });
  };

  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: open,
    c: () => {
      const job = current();
      if (job && allowed(job).cancel) setAsking(job);
    },
    r: () => {
      const job = current();
      if (job && allowed(job).redrive) void actions.redrive(job.id);
    },
  });

  const confirm = (
    <Confirm
      open={asking !== null}
      title="Cancel this job?"
      text={asking && `${asking.task} …${shortId(asking.id)} is ${asking.state}. A cancelled job does not run again.`}
      keep="Keep it"
      act="Cancel the job"
      onKeep={() => setAsking(null)}
      onAct={() => {
        if (asking) void actions.cancel(asking.id);
        setAsking(null);
      }}
    />
  );
  return { cursor, confirm };
}
