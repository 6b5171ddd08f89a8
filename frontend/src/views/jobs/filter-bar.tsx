import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { statsQuery, tasksQuery } from "../../api/queries";
import { JOB_STATES, type JobState } from "../../api/types";
import { useKeys } from "../../keys";
import type { JobsSearch } from "../../search";
import { formatCount } from "../../time/format";
import { Button, DropMenu, MenuItem } from "../../ui/controls";
import { Icon, StateIcon, stateWord } from "../../ui/icons";

interface FilterBarProps {
  search: JobsSearch;
  onChange: (search: JobsSearch) => void;
}

export function FilterBar({ search, onChange }: FilterBarProps) {
  const { data: stats } = useQuery(statsQuery);
  const { data: tasks } = useQuery(tasksQuery);
  const chosen = search.state ?? [];
  const { state: _state, ...anyState } = search;
  const { task: _task, ...anyTask } = search;

  const toggle = (state: JobState) => {
    const next = chosen.includes(state) ? chosen.filter((one) => one !== state) : [...chosen, state];
    onChange(next.length ? { ...anyState, state: next } : anyState);
  };
  const dropTag = (tag: string) => {
    const { tag: tags = [], ...rest } = search;
    const left = tags.filter((one) => one !== tag);
    onChange(left.length ? { ...rest, tag: left } : rest);
  };
  const total = stats && JOB_STATES.reduce((sum, state) => sum + (stats.jobs[state] ?? 0), 0);

  return (
    <header className="filters">
      <div className="filters-top">
        <h1>Jobs</h1>
        <SearchField search={search} onChange={onChange} />
        <DropMenu
          trigger={
            <Button className="filter-task" data-set={search.task !== undefined || undefined}>
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
        {search.tag?.map((tag) => (
          <Button key={tag} aria-label={`Do not filter by the tag ${tag}`} onClick={() => dropTag(tag)}>
            <Icon name="tag" />
            {tag}
            <Icon name="cross" />
          </Button>
        ))}
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
            {stats && <span className="chip-count">{formatCount(stats.jobs[state] ?? 0)}</span>}
          </button>
        ))}
      </div>
    </header>
  );
}

/** Text is searched as it is typed; `tag:x` and `task:y` become filters on Enter. */
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
      const [, name, value] = /^(tag|task):(.+)$/.exec(word) ?? [];
      if (value && name === "tag") next.tag = [...new Set([...(next.tag ?? []), value])];
      else if (value) next.task = value;
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
