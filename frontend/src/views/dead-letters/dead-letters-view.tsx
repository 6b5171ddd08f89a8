import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { deadLettersQuery } from "../../api/queries";
import type { DeadLetter } from "../../api/types";
import { shortId } from "../../jobs/facts";
import { useTitle } from "../../title";
import { Button, CodeBlock } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { Age } from "../../ui/times";
import { hexDump, rawBytes } from "./raw-message";

/** What was given up: jobs that failed for good, and messages that made no sense. */
export function DeadLettersView() {
  const list = useInfiniteQuery(deadLettersQuery);
  useTitle("Dead letters");
  const [raw, setRaw] = useState<DeadLetter | null>(null);
  const letters = list.data?.pages.flatMap((page) => page.dead_letters);
  return (
    <div className="letters">
      <div className="page-head">
        <h1>Dead letters</h1>
      </div>
      {list.isError && !letters ? (
        <LoadError what="Dead letters" error={list.error} onRetry={() => void list.refetch()} />
      ) : !letters ? (
        <div className="letter-list" role="status" aria-label="Loading dead letters">
          {[52, 64, 45].map((width) => (
            <div key={width} className="letter">
              <Skeleton width={`${width}%`} />
            </div>
          ))}
        </div>
      ) : letters.length === 0 ? (
        <Blank icon="letters" title="Nothing was given up">
          <p>
            A job that fails for good leaves its dead letter here, and so does any message that could not be read, byte
            for byte.
          </p>
        </Blank>
      ) : (
        <>
          <ul className="letter-list">
            {letters.map((letter) => (
              <li key={letter.id} className="letter">
                <span className="letter-title">
                  <span className="badge">{letter.kind.replaceAll("_", " ")}</span>
                  {letter.task ?? "Unreadable message"}
                  {letter.job && (
                    <Link to="/ui/jobs/$id" params={{ id: letter.job }} className="link mono" title={letter.job}>
                      {shortId(letter.job)}
                    </Link>
                  )}
                </span>
                <span className="letter-message" title={letter.error.message}>
                  <span className="cell-error">{letter.error.type}</span> {letter.error.message}
                </span>
                <span className="letter-side">
                  <span className="mono faint">
                    {letter.origin.topic} {letter.origin.partition}:{letter.origin.offset}
                  </span>
                  <Age at={letter.created_at} suffix=" ago" />
                  <Button size="small" disabled={letter.raw === null} onClick={() => setRaw(letter)}>
                    Message
                  </Button>
                </span>
              </li>
            ))}
          </ul>
          {list.hasNextPage && (
            <div className="list-end">
              <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                Show older ones
              </Button>
            </div>
          )}
        </>
      )}
      <RawDialog letter={raw} onClose={() => setRaw(null)} />
    </div>
  );
}

function RawDialog({ letter, onClose }: { letter: DeadLetter | null; onClose: () => void }) {
  const [asHex, setAsHex] = useState(false);
  const bytes = letter?.raw ? rawBytes(letter.raw) : null;
  return (
    <Dialog
      open={letter !== null}
      onClose={onClose}
      title="The message as it came"
      className={asHex ? "dialog raw" : "dialog raw raw-text"}
    >
      {bytes && (
        <>
          <CodeBlock text={asHex ? hexDump(bytes) : new TextDecoder().decode(bytes)} label="the message" />
          <div className="dialog-actions">
            <span className="faint">{bytes.length.toLocaleString()} bytes</span>
            <Button aria-pressed={asHex} onClick={() => setAsHex(!asHex)}>
              {asHex ? "As text" : "As hex"}
            </Button>
            <Button onClick={onClose}>Close</Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
