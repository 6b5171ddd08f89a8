import { useState } from "react";
import type { Json } from "../api/types";
import { CopyButton } from "./controls";

const CHUNK = 50;
const LONG = 300;

/** JSON as a tree that folds; the copy button takes all of it. */
export function JsonTree({ value, label }: { value: Json; label: string }) {
  return (
    <div className="code json" role="group" aria-label={label}>
      <div className="json-scroll">
        <Node name={null} value={value} depth={0} />
      </div>
      <CopyButton text={JSON.stringify(value, null, 2)} label={`Copy ${label}`} />
    </div>
  );
}

function Node({ name, value, depth }: { name: string | null; value: Json; depth: number }) {
  const key = name !== null && <span className="json-key">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div className="json-leaf">
        {key}
        <Scalar value={value} />
      </div>
    );
  }
  const list = Array.isArray(value);
  const entries: [string, Json][] = list ? value.map((one, index) => [String(index), one]) : Object.entries(value);
  const [open, close] = list ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    return (
      <div className="json-leaf">
        {key}
        {open}
        {close}
      </div>
    );
  }
  return (
    <details className="json-node" open={depth < 2 && entries.length <= CHUNK}>
      <summary>
        {key}
        <span className="faint">
          {open} {list ? `${entries.length} items` : `${entries.length} ${entries.length === 1 ? "field" : "fields"}`}{" "}
          {close}
        </span>
      </summary>
      <Children entries={entries} depth={depth} />
    </details>
  );
}

function Children({ entries, depth }: { entries: [string, Json][]; depth: number }) {
  const [shown, setShown] = useState(CHUNK);
  return (
    <div className="json-children">
      {entries.slice(0, shown).map(([name, value]) => (
        <Node key={name} name={name} value={value} depth={depth + 1} />
      ))}
      {entries.length > shown && (
        <button type="button" className="link json-more" onClick={() => setShown(shown + 10 * CHUNK)}>
          {entries.length - shown} more
        </button>
      )}
    </div>
  );
}

function Scalar({ value }: { value: null | boolean | number | string }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string")
    return <span className={`json-${value === null ? "null" : typeof value}`}>{String(value)}</span>;
  const cut = value.length > LONG && !whole;
  return (
    <span className="json-string">
      {JSON.stringify(cut ? value.slice(0, LONG) : value)}
      {cut && (
        <button type="button" className="link json-more" onClick={() => setWhole(true)}>
          {value.length - LONG} more characters
        </button>
      )}
    </span>
  );
}
