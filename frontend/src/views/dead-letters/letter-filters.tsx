import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { tasksQuery } from "../../api/queries";
import type { LettersSearch } from "../../search";

const KINDS = ["rejected", "exhausted", "timed_out", "stalled", "expired", "message_rejected"];

interface LetterFiltersProps {
  search: LettersSearch;
  onChange: (search: LettersSearch) => void;
}

/** Which letters are listed; a redrive of them uses the same filter. */
export function LetterFilters({ search, onChange }: LetterFiltersProps) {
  const { data: tasks = [] } = useQuery(tasksQuery);
  const [error, setError] = useState(search.error_type ?? "");
  useEffect(() => setError(search.error_type ?? ""), [search.error_type]);

  const put = (name: "task" | "kind" | "error_type" | "after", value: string) => {
    const { [name]: _old, ...rest } = search;
    onChange({ ...rest, ...(value && { [name]: value }), all: "1" });
  };
  const names = new Set([...tasks.map(({ name }) => name), ...(search.task ? [search.task] : [])]);
  return (
    <form
      className="letter-filters"
      aria-label="Filter dead letters"
      onSubmit={(event) => {
        event.preventDefault();
        put("error_type", error.trim());
      }}
    >
      <select
        className="field"
        aria-label="Task"
        value={search.task ?? ""}
        onChange={(e) => put("task", e.target.value)}
      >
        <option value="">Any task</option>
        {[...names].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        className="field"
        aria-label="Kind"
        value={search.kind ?? ""}
        onChange={(e) => put("kind", e.target.value)}
      >
        <option value="">Any kind</option>
        {KINDS.map((kind) => (
          <option key={kind} value={kind}>
            {kind.replaceAll("_", " ")}
          </option>
        ))}
      </select>
      <input
        className="field"
        aria-label="Type of error"
        placeholder="Type of error, and Enter"
        spellCheck={false}
        autoComplete="off"
        value={error}
        onChange={(event) => setError(event.target.value)}
        onBlur={() => error.trim() !== (search.error_type ?? "") && put("error_type", error.trim())}
      />
      <select
        className="field"
        aria-label="Since"
        value={search.after ?? ""}
        onChange={(e) => put("after", e.target.value)}
      >
        <option value="">Any time</option>
        <option value="1h">Last hour</option>
        <option value="24h">Last 24 hours</option>
        <option value="7d">Last 7 days</option>
        {search.after?.includes("-") && <option value={search.after}>{search.after}</option>}
      </select>
    </form>
  );
}
