import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { statsQuery, tasksQuery } from "../../api/queries";
import { JOB_STATES, type JobState } from "../../api/types";
import { useKeys } from "../../keys";
import type { JobsSearch } from "../../search";
import { formatCount } from "../../time/format";
import { Button, DropMenu, MenuItem } from "../../ui/controls";
import { Icon, StateIcon, stateWord } from "../../ui/icons";
import { FilterTags } from "./filter-tags";
import { MoreFilters } from "./more-filters";

export interface FilterBarProps {
  search: JobsSearch;
  onChange: (search: JobsSearch) => void;
}

const SPANS: [string, string][] = [
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
];

/** Which jobs are listed; all of it stands in the URL. */
export function FilterBar({ search, onChange }: FilterBarProps) {
  const { data: stats } = useQuery(statsQuery);
  const { data: tasks } = useQuery(tasksQuery);
  const [asking, setAsking] = useState(false);
  const chosen = search.state ?? [];
  const { state: _state, ...anyState } = search;
  const { task: _task, ...anyTask } = search;
  const { created_after: since, created_before: _before, ...anyTime } = search;

  const toggle = (state: JobState) => {
    const next = chosen.includes(state) ? chosen.filter((one) => one !== state) : [...chosen, state];
    onChange(next.length ? { ...anyState, state: next } : anyState);
  };
  const counts = (search.task === undefined ? stats?.jobs : stats?.tasks?.[search.task]) ?? (stats && {});
  const total = counts && JOB_STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

  return (
    <header className="filters">
      <div className="filters-top">
        <h1>Jobs</h1>
        <SearchField search={search} onChange={onChange} />
        <DropMenu
          trigger={
            <Button className="filter-choice" data-set={search.task !== undefined || undefined}>
              <Icon name="box" />
              {search.task ?? "Any task"}
              <Icon name="down" />
            </Button>
          }
        >
          <MenuItem ticked={search.task === undefined} onSelect={() => onChange(anyTask)}>
            Any task
          </MenuItem>
          {tasks?.map(({ name }) => (
            <MenuItem key={name} ticked={search.task === name} onSelect={() => onChange({ ...search, task: name })}>
              {name}
            </MenuItem>
          ))}
        </DropMenu>
        <DropMenu
          trigger={
            <Button className="filter-choice" data-set={since !== undefined || undefined}>
              <Icon name="clock" />
              {SPANS.find(([span]) => span === since)?.[1] ?? (since ? "Chosen time" : "Any time")}
              <Icon name="down" />
            </Button>
          }
        >
          <MenuItem ticked={since === undefined} onSelect={() => onChange(anyTime)}>
            Any time
          </MenuItem>
          {SPANS.map(([span, words]) => (
            <MenuItem key={span} ticked={since === span} onSelect={() => onChange({ ...anyTime, created_after: span })}>
              {words}
            </MenuItem>
          ))}
        </DropMenu>
        <Button className="filter-choice" onClick={() => setAsking(true)}>
          <Icon name="filter" />
          More
        </Button>
      </div>
      <div className="chips" role="group" aria-label="States">
        <button type="button" className="chip" aria-pressed={chosen.length === 0} onClick={() => onChange(anyState)}>
          All
          {total !== undefined && <span className="chip-count">{formatCount(total)}</span>}
        </button>
        {JOB_STATES.map((state) => (
          <button
            key={state}
            type="button"
            className="chip"
            data-state={state}
            aria-pressed={chosen.includes(state)}
            onClick={() => toggle(state)}
          >
            <span className="state">
              <StateIcon state={state} />
            </span>
            {stateWord(state)}
            {counts && <span className="chip-count">{formatCount(counts[state] ?? 0)}</span>}
          </button>
        ))}
      </div>
      <FilterTags search={search} onChange={onChange} />
      <MoreFilters open={asking} onClose={() => setAsking(false)} search={search} onChange={onChange} />
    </header>
  );
}

const WORDS = { tag: "tag", task: "task", batch: "batch", error: "error_type" } as const;

/** Text is searched as it is typed; `tag:x`, `task:y`, `batch:z` and `error:e` become filters on Enter. */
function SearchField({ search, onChange }: FilterBarProps) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(search.q ?? "");
  useEffect(() => setText(search.q ?? ""), [search.q]);
  useKeys({ "/": () => input.current?.select() });

  const put = (value: string) => {
    setText(value);
    const { q: _q, ...rest } = search;
    if (!value.includes(":")) onChange(value.trim() ? { ...rest, q: value.trim() } : rest);
  };
  const apply = () => {
    const { q: _q, ...rest } = search;
    const next: JobsSearch = { ...rest };
    const words = text.split(/\s+/).filter((word) => {
      const [, name, value] = /^(tag|task|batch|error):(.+)$/.exec(word) ?? [];
      if (value && name === "tag") next.tag = [...new Set([...(next.tag ?? []), value])];
      else if (value) next[WORDS[name as "task" | "batch" | "error"]] = value;
      return !value;
    });
    const q = words.join(" ");
    setText(q);
    onChange(q ? { ...next, q } : next);
  };

  return (
    <form
      className="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <Icon name="search" />
      <input
        ref={input}
        className="field"
        type="search"
        aria-label="Search jobs by id, payload, error or tag"
        placeholder="Search id, payload, tag:…"
        spellCheck={false}
        autoComplete="off"
        value={text}
        onChange={(event) => put(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          if (text) put("");
          else event.currentTarget.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}
