/** For tests of what uses the library: a world whose clock the test turns and whose streams it opens, breaks and speaks through. */
import type { Surroundings } from "./contract.ts";
import type { StreamListener } from "./stream.ts";

/** A stream on the test's side of the wire. */
export class FakeStream {
  readonly url: string;
  /** What the connection said it had heard last. */
  readonly lastEventId: string;
  closed = false;
  readonly #listener: StreamListener;
  #id: string;
  #retry: number | null = null;

  constructor(url: string, lastEventId: string, listener: StreamListener) {
    this.url = url;
    this.lastEventId = lastEventId;
    this.#listener = listener;
    this.#id = lastEventId;
  }

  opens({ retry = null }: { retry?: number | null } = {}): void {
    this.#retry = retry;
    this.#listener.onOpen();
  }

  fails({ retryAfter = null }: { retryAfter?: number | null } = {}): void {
    this.#listener.onClose(retryAfter);
  }

  sends(type: string, data: unknown, id = this.#id): void {
    this.#id = id;
    const text = typeof data === "string" ? data : JSON.stringify(data);
    this.#listener.onEvent({ type, data: text, id, retry: this.#retry });
  }
}

export class FakeWorld implements Surroundings {
  readonly streams: FakeStream[] = [];
  network = true;
  luck = 1;
  #now = 1_000_000;
  #timers: { at: number; run: () => void }[] = [];

  readonly open = (url: string, lastEventId: string, listener: StreamListener): (() => void) => {
    const stream = new FakeStream(url, lastEventId, listener);
    this.streams.push(stream);
    return () => {
      stream.closed = true;
    };
  };

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
  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error("no stream was opened");
    return stream;
  }

  get openStreams(): FakeStream[] {
    return this.streams.filter(({ closed }) => !closed);
  }
}
