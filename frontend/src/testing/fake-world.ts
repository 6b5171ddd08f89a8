import type { EventSourceLike, Surroundings } from "../live";

/** A stream on the test's side of the wire. */
export class FakeSource implements EventSourceLike {
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  closed = false;
  readonly url: string;
  readonly #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(url: string) {
    this.url = url;
  }

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.closed = true;
  }

  opens(): void {
    this.onopen?.(new Event("open"));
  }

  fails(): void {
    this.onerror?.(new Event("error"));
  }

  sends(type: string, data: unknown): void {
    this.#listeners.get(type)?.(
      new MessageEvent(type, { data: typeof data === "string" ? data : JSON.stringify(data) }),
    );
  }
}

/** A world whose clock the test turns and whose streams it opens, breaks and speaks through. */
export class FakeWorld implements Surroundings {
  readonly sources: FakeSource[] = [];
  network = true;
  luck = 1;
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  open(url: string): FakeSource {
    const source = new FakeSource(url);
    this.sources.push(source);
    return source;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.luck;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  hasNetwork(): boolean {
    return this.network;
  }

  passes(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#now = next.at;
      next.run();
    }
    this.#now = until;
  }

  /** The newest stream. */
  get source(): FakeSource {
    const source = this.sources.at(-1);
    if (!source) throw new Error("no stream was opened");
    return source;
  }

  get openSources(): FakeSource[] {
    return this.sources.filter(({ closed }) => !closed);
  }
}
