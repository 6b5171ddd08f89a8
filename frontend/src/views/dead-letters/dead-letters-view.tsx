import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { letterGroupsQuery } from "../../api/letters";
import type { LettersSearch } from "../../search";
import { useTitle } from "../../title";
import { Button } from "../../ui/controls";
import { Icon } from "../../ui/icons";
import { Groups } from "./groups";
import { LetterFilters } from "./letter-filters";
import { Letters } from "./letters";
import { RedriveDialog } from "./redrive-dialog";

/** What was given up: jobs that failed for good, and messages that made no sense; by what they have in common first. */
export function DeadLettersView() {
  useTitle("Dead letters");
  const search = useSearch({ from: "/ui/dead-letters" });
  const navigate = useNavigate({ from: "/ui/dead-letters" });
  const setSearch = (next: LettersSearch) => void navigate({ search: next });
  const chosen = Object.keys(search).length > 0;
  const groups = useQuery({ ...letterGroupsQuery, enabled: !chosen });
  const [redriving, setRedriving] = useState<LettersSearch | null>(null);
  // An API that does not count groups answers null: its letters are listed one by one.
  const listed = chosen || groups.data === null;
  return (
    <div className="letters">
      <div className="page-head">
        <h1>Dead letters</h1>
        {groups.data !== null && (
          <nav className="tabs letters-tabs" aria-label="How they are shown">
            <Link to="/ui/dead-letters" search={{}} data-selected={!listed || undefined}>
              Groups
            </Link>
            <Link to="/ui/dead-letters" search={{ all: "1" }} data-selected={listed || undefined}>
              One by one
            </Link>
          </nav>
        )}
        <Button onClick={() => setRedriving(search)}>
          <Icon name="redo" />
          {listed && hasFilter(search) ? "Redrive these…" : "Redrive all…"}
        </Button>
      </div>
      {listed ? (
        <>
          <LetterFilters search={search} onChange={setSearch} />
          <Letters search={search} />
        </>
      ) : (
        <Groups groups={groups} onRedrive={setRedriving} />
      )}
      <RedriveDialog filter={redriving} onClose={() => setRedriving(null)} />
    </div>
  );
}

function hasFilter({ all: _all, ...filter }: LettersSearch): boolean {
  return Object.keys(filter).length > 0;
}
