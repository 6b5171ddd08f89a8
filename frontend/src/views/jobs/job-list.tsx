import { useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { CancelFilter, Job } from "../../api/types";
import { type Action, allowed, useJobActions } from "../../jobs/actions";
import { holdStill } from "../../jobs/merge";
import { useIsPhone } from "../../phone";
import { formatCount } from "../../time/format";
import { Confirm } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { BulkBar } from "./bulk-bar";
import { JobRow } from "./job-row";
import { useSelection } from "./selection";
import { useCursor } from "./use-cursor";

const ROW = 32;
const CARD = 92;
/** Scrolled further than this, the reader is reading: nothing may move under his eyes. */
const READING = 8;

interface JobListProps {
  jobs: Job[];
  onTag: (tag: string) => void;
  onNearEnd: (() => void) | undefined;
  matching: CancelFilter | null;
  end: ReactNode;
}

export function JobList({ jobs, onTag, onNearEnd, matching, end }: JobListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<ReadonlyMap<string, Job> | null>(null);
  const { rows, waiting } = useMemo(() => (held ? holdStill(jobs, held) : { rows: jobs, waiting: 0 }), [jobs, held]);
  const phone = useIsPhone();
  const height = phone ? CARD : ROW;
  // With another function at each turn all places would be reckoned anew, of ten thousand rows at every step of a scroll.
  const keyOf = useCallback((index: number) => rows[index]?.id ?? index, [rows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    getItemKey: keyOf,
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows are measured anew when their height changes
  useEffect(() => virtual.measure(), [height]);

  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onNearEnd && lastShown >= rows.length - 50) onNearEnd();
  }, [onNearEnd, lastShown, rows.length]);

  const list = useSearch({ from: "/ui/jobs" });
  const actions = useJobActions();
  const selection = useSelection(rows);
  const [asking, setAsking] = useState<{ action: Action; jobs: Job[] } | null>(null);

  const onAction = (action: Action, current?: Job) => {
    const meant = selection.jobs.length ? selection.jobs : current ? [current] : [];
    const able = meant.filter((job) => allowed(job)[action]);
    const [only] = able;
    // One redrive can be undone by a cancel: it is not asked about.
    if (action === "redrive" && only && selection.jobs.length === 0) void actions.one(action, only.id);
    else if (only) setAsking({ action, jobs: able });
  };
  const act = () => {
    if (!asking) return;
    const ids = asking.jobs.map(({ id }) => id);
    setAsking(null);
    selection.clear();
    void (ids.length === 1 ? actions.one(asking.action, ids[0] ?? "") : actions.many(asking.action, ids));
  };
  const cursor = useCursor({ rows, list, selection, scrollTo: (index) => virtual.scrollToIndex(index), onAction });

  // The rows are memoised: what they call must stay the same while the list changes.
  const toggle = useRef(selection.toggle);
  toggle.current = selection.toggle;
  const onTick = useCallback((id: string, through: boolean) => toggle.current(id, through), []);

  const onScroll = () => {
    const reading = (scroller.current?.scrollTop ?? 0) > READING;
    if (reading && !held) setHeld(new Map(rows.map((job) => [job.id, job])));
    if (!reading && held) setHeld(null);
  };
  const all = rows.length > 0 && selection.jobs.length === rows.length;

  return (
    <div className="list" role="table" aria-label="Jobs" aria-rowcount={rows.length + 1} data-rows={rows.length}>
      <div className="list-head" role="row">
        <span role="columnheader">
          <input
            type="checkbox"
            className="tick-box"
            aria-label="Select all shown"
            checked={all}
            ref={(box) => {
              if (box) box.indeterminate = selection.jobs.length > 0 && !all;
            }}
            onChange={() => (all ? selection.clear() : selection.all())}
          />
        </span>
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
          {formatCount(waiting)} new
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
                  ticked={selection.ids.has(job.id)}
                  list={list}
                  onTag={onTag}
                  onTick={onTick}
                />
              )
            );
          })}
        </div>
        <div className="list-end faint">{end}</div>
      </div>
      {selection.jobs.length > 0 && (
        <BulkBar
          selected={selection.jobs}
          onAct={onAction}
          onAll={selection.all}
          onClear={selection.clear}
          matching={matching}
        />
      )}
      <AskFirst asking={asking} onKeep={() => setAsking(null)} onAct={act} />
    </div>
  );
}

const COLUMNS = ["State", "Task", "Payload", "Now", "Id", "Attempt", "Age", "Duration"];

const WORDS: Record<Action, { verb: string; text: string }> = {
  cancel: {
    verb: "Cancel",
    text: "What waits will not run; what runs is told to stop. A cancelled job does not run again.",
  },
  redrive: { verb: "Redrive", text: "Each starts a new series of attempts, now." },
  delete: { verb: "Delete", text: "Records and results are removed for good." },
};

interface AskFirstProps {
  asking: { action: Action; jobs: Job[] } | null;
  onKeep: () => void;
  onAct: () => void;
}

/** Names the action, and how many jobs it is about. */
function AskFirst({ asking, onKeep, onAct }: AskFirstProps) {
  const { verb, text } = WORDS[asking?.action ?? "cancel"];
  const count = asking?.jobs.length ?? 0;
  const many = count === 1 ? "the job" : `${formatCount(count)} jobs`;
  const title = count === 1 ? `${verb} this job?` : `${verb} ${many}?`;
  return (
    <Confirm
      open={asking !== null}
      title={title}
      text={text}
      keep={count === 1 ? "Keep it" : "Leave them"}
      act={`${verb} ${many}`}
      onKeep={onKeep}
      onAct={onAct}
    />
  );
}
