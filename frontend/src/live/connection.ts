import { backoffDelay } from "./backoff";
import { Newest, type Position } from "./newest";

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
  /** Events may have been missed until now: read the list again. Comes with every opening and every `reset`. */
  onResync?(reason: "opened" | "reset"): void;
  /** The watched job is final and its stream is over; nothing is tried again until the next `watch`. */
  onEnd?(): void;
  onStatus?(status: ConnectionStatus): void;
  /** The server's clock (ms since the epoch), as told by a heartbeat. */
  onServerTime?(at: number): void;
}

/** What is used of the browser's EventSource. */
export interface EventSourceLike {
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

/** The world outside, passed in so that tests own the clock and the wire. */
export interface Surroundings {
  open(url: string): EventSourceLike;
  now(): number;
  random(): number;
  after(ms: number, run: () => void): () => void;
  /** Whether the browser believes it has a network. Only a hint: loopback works without one. */
  hasNetwork(): boolean;
}

/** An opening that hangs is given up sooner than a stream that was good. */
const OPEN_DEADLINE = 10_000;
const HEARTBEAT_DEADLINE = 45_000;
const BUSY_WAIT = 30_000;
const LONGEST_WAIT = 60_000;
/** So many failures in a row (about half a minute) and we say "offline", not "reconnecting"; the tries go on. */
const OFFLINE_AFTER = 5;

/**
 * One server-sent event stream that comes back by itself.
 *
 * The browser's own reconnection is not used: any answer but 200 ends an EventSource for good, and a connection that
 * died silently is never noticed. So each source lives once; after an error, 45 s without a sound, `bye` or `busy` it is
 * closed and a new one is opened after a wait. The id of the last event cannot be sent by a new EventSource, so every
 * opening asks the owner to read the list again (`onResync`).
 */
export class LiveConnection<Job extends LiveJob> {
  readonly #handlers: LiveHandlers<Job>;
  readonly #world: Surroundings;
  readonly #newest = new Newest();
  #url: string | null = null;
  #source: EventSourceLike | null = null;
  #cancelTimer: () => void = () => {};
  #failures = 0;
  #status: ConnectionStatus = { state: "reconnecting", reason: "starting", retryAt: null, heardAt: null };

  constructor(handlers: LiveHandlers<Job>, world: Surroundings) {
    this.#handlers = handlers;
    this.#world = world;
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Follow `url` from now on, instead of what was followed before. The state stays "live" through a good switch. */
  watch(url: string): void {
    if (url === this.#url && (this.#source || this.#status.retryAt !== null)) return;
    this.#drop();
    this.#url = url;
    this.#failures = 0;
    this.#connect();
  }

  /** Try at once: the network came back, the page was looked at again, or a person asked. */
  retryNow(): void {
    if (this.#url === null || this.#source) return;
    this.#drop();
    this.#connect();
  }

  /** The network under the stream changed: what looks open may be dead, so open it anew. */
  distrust(): void {
    if (!this.#source) return;
    this.#drop();
    this.#connect();
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

  #connect(): void {
    if (this.#url === null) return;
    const source = this.#world.open(this.#url);
    this.#source = source;
    this.#armWatchdog(OPEN_DEADLINE);
    if (this.#status.state !== "live") this.#tell({ ...this.#status, retryAt: null });

    /** A closed EventSource may still have an event queued: only the present one is listened to. */
    const on = (type: string, act: (data: Record<string, unknown>) => void) =>
      source.addEventListener(type, (event) => {
        if (source !== this.#source) return;
        const data = parseObject(event.data);
        if (!data) return;
        this.#armWatchdog();
        act(data);
      });

    source.onopen = () => {
      if (source !== this.#source) return;
      this.#armWatchdog();
      this.#heard();
      this.#handlers.onResync?.("opened");
    };
    source.onerror = () => {
      if (source === this.#source) this.#lost("lost");
    };

    on("job", (data) => {
      this.#settled();
      if (isPositioned(data) && this.#newest.acceptView(data.id, data)) this.#handlers.onJob(data as unknown as Job);
    });
    on("progress", (data) => {
      this.#settled();
      if (isPositioned(data) && this.#newest.acceptProgress(data.id, data)) {
        this.#handlers.onProgress?.(data as unknown as LiveProgress);
      }
    });
    on("heartbeat", (data) => {
      this.#settled();
      const at = typeof data.at === "number" ? data.at * 1000 : Date.parse(String(data.at));
      if (Number.isFinite(at)) this.#handlers.onServerTime?.(at);
    });
    on("reset", () => {
      this.#heard();
      this.#handlers.onResync?.("reset");
    });
    on("end", () => {
      this.#settled();
      this.#drop();
      this.#url = null;
      this.#handlers.onEnd?.();
    });
    on("bye", (data) => this.#lost("leaving", milliseconds(data.retry)));
    on("busy", (data) => this.#lost("busy", milliseconds(data.retry) ?? BUSY_WAIT * (0.5 + this.#world.random() / 2)));
  }

  /** The stream proved itself: the next failure counts as the first. */
  #settled(): void {
    this.#failures = 0;
    this.#heard();
  }

  #heard(): void {
    this.#tell({ state: "live", reason: null, retryAt: null, heardAt: this.#world.now() });
  }

  #lost(reason: "lost" | "leaving" | "busy", wait?: number): void {
    this.#drop();
    this.#failures += 1;
    const delay = Math.min(wait ?? backoffDelay(this.#failures, () => this.#world.random()), LONGEST_WAIT);
    const offline = this.#failures >= OFFLINE_AFTER || (!this.#world.hasNetwork() && this.#failures > 1);
    this.#tell({
      state: offline ? "offline" : "reconnecting",
      reason,
      retryAt: this.#world.now() + delay,
      heardAt: this.#status.heardAt,
    });
    this.#cancelTimer = this.#world.after(delay, () => this.#connect());
  }

  #armWatchdog(deadline = HEARTBEAT_DEADLINE): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#world.after(deadline, () => this.#lost("lost"));
  }

  #drop(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => {};
    this.#source?.close();
    this.#source = null;
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

function milliseconds(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}
