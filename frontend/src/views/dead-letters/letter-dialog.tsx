import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../../api/client";
import { letterQuery } from "../../api/letters";
import type { DeadLetter } from "../../api/types";
import { formatExact } from "../../time/format";
import { Button, CodeBlock } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Skeleton } from "../../ui/feedback";
import { hexDump, rawBytes } from "./raw-message";

/** The message as it came, as text or byte for byte, and where it came from. */
export function LetterDialog({ letter, onClose }: { letter: DeadLetter | null; onClose: () => void }) {
  return (
    <Dialog open={letter !== null} onClose={onClose} title="The message as it came" className="dialog raw">
      {letter && <Message letter={letter} onClose={onClose} />}
    </Dialog>
  );
}

function Message({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const [asHex, setAsHex] = useState(false);
  // The list leaves out what is over 4 KiB.
  const whole = useQuery({ ...letterQuery(letter.id), enabled: letter.raw === null });
  const raw = letter.raw ?? whole.data?.raw ?? null;
  const bytes = raw === null ? null : rawBytes(raw);
  const { origin, source } = letter;
  return (
    <>
      <dl className="facts raw-facts">
        <div>
          <dt>Read from</dt>
          <dd className="mono">
            {origin.topic} {origin.partition}:{origin.offset}
          </dd>
        </div>
        {source && (
          <div>
            <dt>Began as</dt>
            <dd className="mono">
              {source.topic} {source.partition}:{source.offset}
            </dd>
          </div>
        )}
        {origin.timestamp && (
          <div>
            <dt>Sent</dt>
            <dd>{formatExact(origin.timestamp)}</dd>
          </div>
        )}
        <div>
          <dt>Error</dt>
          <dd className="cell-error">
            {letter.error.type}: {letter.error.message}
          </dd>
        </div>
      </dl>
      {bytes ? (
        <div className={asHex ? "" : "raw-text"}>
          <CodeBlock text={asHex ? hexDump(bytes) : new TextDecoder().decode(bytes)} label="the message" />
        </div>
      ) : whole.isError ? (
        <p className="cell-error">{explain(whole.error)}</p>
      ) : whole.isPending ? (
        <Skeleton width="80%" />
      ) : (
        <p className="muted">Its bytes were not kept.</p>
      )}
      <div className="dialog-actions">
        {bytes && <span className="faint">{bytes.length.toLocaleString()} bytes</span>}
        <Button aria-pressed={asHex} disabled={!bytes} onClick={() => setAsHex(!asHex)}>
          {asHex ? "As text" : "As hex"}
        </Button>
        <Button onClick={onClose}>Close</Button>
      </div>
    </>
  );
}
