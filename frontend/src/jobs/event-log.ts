/** One thing the page heard of a job, as it came. */
export interface LogEntry {
  key: number;
  at: number;
  event: "job" | "progress";
  version: number;
  revision: number;
  text: string;
  state: string | null;
}

const KEPT = 200;

/** What was heard of the one job that is looked at; gone when another is. */
export class EventLog {
  readonly #listeners = new Set<() => void>();
  #id: string | null = null;
  #entries: readonly LogEntry[] = [];
  #nextKey = 0;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): readonly LogEntry[] => this.#entries;

  begin(id: string): void {
    if (id === this.#id) return;
    this.#id = id;
    this.#set([]);
  }

  add(id: string, entry: Omit<LogEntry, "key" | "at">): void {
    if (id !== this.#id) return;
    this.#nextKey += 1;
    this.#set([...this.#entries.slice(1 - KEPT), { ...entry, key: this.#nextKey, at: Date.now() }]);
  }

  #set(entries: readonly LogEntry[]): void {
    this.#entries = entries;
    for (const listener of this.#listeners) listener();
  }
}
