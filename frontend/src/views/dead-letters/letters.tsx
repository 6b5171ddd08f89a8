import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { lettersQuery } from "../../api/letters";
import type { DeadLetter } from "../../api/types";
import { useJobActions } from "../../jobs/actions";
import { shortId } from "../../jobs/facts";
import type { LettersSearch } from "../../search";
import { Button } from "../../ui/controls";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { Age } from "../../ui/times";
import { LetterDialog } from "./letter-dialog";

export function NothingGivenUp({ filtered = false }: { filtered?: boolean }) {
  return filtered ? (
    <Blank icon="search" title="No dead letter is like that">
      <p>Drop a part of the filter, or look at the groups.</p>
    </Blank>
  ) : (
    <Blank icon="letters" title="Nothing was given up">
      <p>
        A job that fails for good leaves its dead letter here, and so does any message that could not be read, byte for
        byte.
      </p>
    </Blank>
  );
}

/** The letters that pass the filter, the newest first. */
export function Letters({ search }: { search: LettersSearch }) {
  const { all: _all, ...filter } = search;
  const list = useInfiniteQuery(lettersQuery(filter));
  const [opened, setOpened] = useState<DeadLetter | null>(null);
  const letters = list.data?.pages.flatMap((page) => page.dead_letters);
  if (list.isError && !letters) {
    return <LoadError what="Dead letters" error={list.error} onRetry={() => void list.refetch()} />;
  }
  if (!letters) {
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
  if (letters.length === 0) return <NothingGivenUp filtered={Object.keys(filter).length > 0} />;
  return (
    <>
      <ul className="letter-list">
        {letters.map((letter) => (
          <Letter key={letter.id} letter={letter} onOpen={() => setOpened(letter)} />
        ))}
      </ul>
      {list.hasNextPage && (
        <div className="list-end">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show older ones
          </Button>
        </div>
      )}
      <LetterDialog letter={opened} onClose={() => setOpened(null)} />
    </>
  );
}

function Letter({ letter, onOpen }: { letter: DeadLetter; onOpen: () => void }) {
  const { job, task, kind, error, origin, created_at, redriven } = letter;
  const actions = useJobActions();
  return (
    <li className="letter" data-testid="letter">
      <span className="letter-title">
        <span className="badge">{kind.replaceAll("_", " ")}</span>
        {task ?? "Unreadable message"}
        {job && (
          <Link to="/ui/jobs/$id" params={{ id: job }} className="link mono" title={job}>
            {shortId(job)}
          </Link>
        )}
        {redriven > 0 && <span className="badge">redriven {redriven === 1 ? "once" : `${redriven} times`}</span>}
      </span>
      <span className="letter-message" title={error.message}>
        <span className="cell-error">{error.type}</span> {error.message}
      </span>
      <span className="letter-side">
        <span className="mono faint letter-origin">
          {origin.topic} {origin.partition}:{origin.offset}
        </span>
        <Age at={created_at} suffix=" ago" />
        {job && (
          <Button size="small" onClick={() => void actions.one("redrive", job)}>
            <Icon name="redo" />
            Redrive
          </Button>
        )}
        <Button size="small" onClick={onOpen}>
          Message
        </Button>
      </span>
    </li>
  );
}
