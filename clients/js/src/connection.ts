import { backoffDelay } from "./backoff.ts";
import { Newest, type Position } from "./newest.ts";
import type { StreamEvent } from "./parser.ts";
import type { OpenStream } from "./stream.ts";

/** What a person is told about the connection. */
export interface ConnectionStatus {
  state: "live" | "reconnecting" | "offline";
  /** Why it is not live: the first connection, a lost one, a server that is leaving or full. */
  reason: "starting" | "lost" | "leaving" | "busy" | null;
  /** When the next try starts (ms since the epoch), while one is planned. */
  retryAt: number | null;
  /** When the server was last heard (ms since the epoch). */
  heardAt: number | null;
}

/** The part of a job's view that this module reads; the rest passes through untouched. */
export interface LiveJob extends Position {
  id: string;
}

export interface LiveProgress extends Position {
  id: string;
  percent: number | null;
  message: string | null;
}

/** What the owner of the connection is told. */
export interface LiveHandlers<Job extends LiveJob> {
  onJob(job: Job): void;
  onProgress?(progress: LiveProgress): void;
  /**
   * Events may have been missed until now: read the list again. Comes with every `reset`, and with an opening that did
   * not go on after a known event.
   */
  onResync?(reason: "opened" | "reset"): void;
  /** The watched job is final and its stream is over; nothing is tried again until the next `watch`. */
  onEnd?(): void;
  onStatus?(status: ConnectionStatus): void;
  /** The server's clock (ms since the epoch), as told by a heartbeat. */
  onServerTime?(at: number): void;
}

/** The world outside, passed in so that tests own the clock and the wire. */
export interface Surroundings {
  open: OpenStream;
  now(): number;
  random(): number;
  after(ms: number, run: () => void): () => void;
  /** Whether the browser believes it has a network. Only a hint: loopback works without one. */
  hasNetwork(): boolean;
}

/** Milliseconds, each. */
export interface LiveTimes {
  /** A stream that says nothing for so long is dead; the server's heartbeat comes every 15 s. */
  silence: number;
  /** An opening that hangs is given up sooner than a stream that was good. */
  opening: number;
  /** No wait between two tries is longer, unless the server asks for it. */
  longestWait: number;
}

const TIMES: LiveTimes = { silence: 45_000, opening: 10_000, longestWait: 30_000 };
const BUSY_WAIT = 30_000;
/** No server may send us away for longer. */
const LONGEST_ASKED = 60_000;
/** So many failures in a row (about half a minute) and we say "offline", not "reconnecting"; the tries go on. */
const OFFLINE_AFTER = 5;

/**
 * One server-sent event stream that comes back by itself and goes on where it was.
 *
 * Each stream lives once; after an end of any kind, 45 s without a sound, `bye` or `busy` a new one is opened after a
 * wait. It names the last event's id, and the server sends what came since, or says `reset`. After a `reset`, or where no
 * id was known, the owner is asked to read the list again.
 */
export class LiveConnection<Job extends LiveJob> {
  readonly #handlers: LiveHandlers<Job>;
  readonly #world: Surroundings;
  readonly #times: LiveTimes;
  readonly #newest = new Newest();
  #url: string | null = null;
  #lastId = "";
  #close: (() => void) | null = null;
  #cancelTimer: () => void = () => {};
  #failures = 0;
  #status: ConnectionStatus = { state: "reconnecting", reason: "starting", retryAt: null, heardAt: null };

  constructor(handlers: LiveHandlers<Job>, world: Surroundings, times: Partial<LiveTimes> = {}) {
    this.#handlers = handlers;
    this.#world = world;
    this.#times = { ...TIMES, ...times };
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Follow `url` from now on, instead of what was followed before. The state stays "live" through a good switch. */
  watch(url: string): void {
    if (url === this.#url && (this.#close || this.#status.retryAt !== null)) return;
    this.#drop();
    if (url !== this.#url) this.#lastId = "";
    this.#url = url;
    this.#failures = 0;
    this.#connect();
  }

  /** Try at once: the network came back, the page was looked at again, or a person asked. */
  retryNow(): void {
    if (!this.#close) this.#connectAnew();
  }

  /** The network under the stream changed: what looks open may be dead, so open it anew. */
  distrust(): void {
    if (this.#close) this.#connectAnew();
  }

  /** Let go of the connection until `retryNow`: nobody looks, and a browser has but six of them for one server. */
  pause(): void {
    if (this.#url === null) return;
    this.#drop();
    this.#tell({ ...this.#status, state: "reconnecting", reason: "starting", retryAt: null });
  }

  close(): void {
    this.#drop();
    this.#url = null;
  }

  #connectAnew(): void {
    this.#drop();
    this.#connect();
  }

  #connect(): void {
    if (this.#url === null) return;
    let current = true;
    const goesOn = this.#lastId !== "";
    const stop = this.#world.open(this.#url, this.#lastId, {
      onOpen: () => {
        if (!current) return;
        this.#armWatchdog(this.#times.silence);
        this.#heard();
        if (!goesOn) this.#handlers.onResync?.("opened");
      },
      onEvent: (event) => {
        if (!current) return;
        this.#armWatchdog(this.#times.silence);
        this.#lastId = event.id;
        const data = parseObject(event.data);
        if (data) this.#take(event, data);
      },
      onClose: (retryAfter) => {
        if (current) this.#lost("lost", retryAfter);
      },
    });
    this.#close = () => {
      current = false;
      stop();
    };
    this.#armWatchdog(this.#times.opening);
    if (this.#status.state !== "live") this.#tell({ ...this.#status, retryAt: null });
  }

  #take({ type, retry }: StreamEvent, data: Record<string, unknown>): void {
    switch (type) {
      case "job":
        this.#settled();
        if (isPositioned(data) && this.#newest.acceptView(data.id, data)) this.#handlers.onJob(data as unknown as Job);
        break;
      case "progress":
        this.#settled();
        if (isPositioned(data) && this.#newest.acceptProgress(data.id, data))
          this.#handlers.onProgress?.(data as unknown as LiveProgress);
        break;
      case "heartbeat": {
        this.#settled();
        const at = typeof data.at === "number" ? data.at * 1_000 : Date.parse(String(data.at));
        if (Number.isFinite(at)) this.#handlers.onServerTime?.(at);
        break;
      }
      case "reset":
        this.#heard();
        this.#handlers.onResync?.("reset");
        break;
      case "end":
        this.#settled();
        this.close();
        this.#handlers.onEnd?.();
        break;
      case "bye":
        this.#lost("leaving", milliseconds(data.retry) ?? retry);
        break;
      case "busy":
        // Many are sent away at once with the same words: they shall not come back at once.
        this.#lost("busy", (milliseconds(data.retry) ?? retry ?? BUSY_WAIT) * (0.5 + this.#world.random() / 2));
        break;
    }
  }

  /** The stream proved itself: the next failure counts as the first. */
  #settled(): void {
    this.#failures = 0;
    this.#heard();
  }

  #heard(): void {
    this.#tell({ state: "live", reason: null, retryAt: null, heardAt: this.#world.now() });
  }

  #lost(reason: "lost" | "leaving" | "busy", asked: number | null): void {
    this.#drop();
    this.#failures += 1;
    const delay =
      asked === null
        ? backoffDelay(this.#failures, () => this.#world.random(), 1_000, this.#times.longestWait)
        : Math.min(asked, LONGEST_ASKED);
    const offline = this.#failures >= OFFLINE_AFTER || (!this.#world.hasNetwork() && this.#failures > 1);
    this.#tell({
      state: offline ? "offline" : "reconnecting",
      reason,
      retryAt: this.#world.now() + delay,
      heardAt: this.#status.heardAt,
    });
    this.#cancelTimer = this.#world.after(delay, () => this.#connect());
  }

  #armWatchdog(deadline: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#world.after(deadline, () => this.#lost("lost", null));
  }

  #drop(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    this.#close?.();
    this.#close = null;
  }

  #tell(status: ConnectionStatus): void {
    this.#status = status;
    this.#handlers.onStatus?.(status);
  }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isPositioned(data: Record<string, unknown>): data is Record<string, unknown> & LiveJob {
  return typeof data.id === "string" && typeof data.version === "number" && typeof data.revision === "number";
}

function milliseconds(value: unknown): number | null {
  return typeof value === "number" && value >= 0 ? value : null;
}
