import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { LetterGroup, LetterGroups } from "../../api/types";
import type { LettersSearch } from "../../search";
import { formatCount } from "../../time/format";
import { Button } from "../../ui/controls";
import { LoadError, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Age } from "../../ui/times";
import { NothingGivenUp } from "./letters";

interface GroupsProps {
  groups: UseQueryResult<LetterGroups | null>;
  onRedrive: (filter: LettersSearch) => void;
}

/** What failed alike, the most first: how many, since when, and the way to them or out of it. */
export function Groups({ groups: { data, error, refetch }, onRedrive }: GroupsProps) {
  if (error && !data) return <LoadError what="Dead letters" error={error} onRetry={() => void refetch()} />;
  if (!data) {
    return (
      <div className="letter-list" role="status" aria-label="Loading dead letters">
        {[52, 64, 45].map((width) => (
          <div key={width} className="letter">
            <Skeleton width={`${width}%`} />
          </div>
        ))}
      </div>
    );
  }
  if (data.groups.length === 0) return <NothingGivenUp />;
  const most = Math.max(...data.groups.map(({ count }) => count));
  return (
    <>
      <ul className="letter-list">
        {data.groups.map((group) => (
          <Group key={JSON.stringify(filterOfGroup(group))} group={group} most={most} onRedrive={onRedrive} />
        ))}
      </ul>
      {data.complete === false && (
        <p className="list-end faint">There are more: these are the largest groups of the newest letters.</p>
      )}
    </>
  );
}

interface GroupProps {
  group: LetterGroup;
  most: number;
  onRedrive: (filter: LettersSearch) => void;
}

function Group({ group, most, onRedrive }: GroupProps) {
  const { task, kind, error_type, count, first, last } = group;
  const filter = filterOfGroup(group);
  return (
    <li className="letter letter-group" data-testid="letter-group">
      <strong className="letter-count">{formatCount(count)}</strong>
      <span className="letter-title">
        <Link to="/ui/dead-letters" search={filter} className="letter-link">
          {task ?? "Unreadable messages"}
        </Link>
        <span className="badge">{kind.replaceAll("_", " ")}</span>
        {error_type && <span className="cell-error mono">{error_type}</span>}
      </span>
      <span className="letter-share" aria-hidden="true">
        <i style={{ width: `${(count / most) * 100}%` }} />
      </span>
      <span className="letter-side">
        <span>
          <Age at={last} suffix=" ago" />
          {first !== last && (
            <span className="faint">
              , first <Age at={first} suffix=" ago" />
            </span>
          )}
        </span>
        {task !== null && (
          <Button size="small" onClick={() => onRedrive(filter)}>
            <Icon name="redo" />
            Redrive…
          </Button>
        )}
      </span>
    </li>
  );
}

function filterOfGroup({ task, kind, error_type }: LetterGroup): LettersSearch {
  return { ...(task !== null && { task }), kind, ...(error_type !== null && { error_type }) };
}
