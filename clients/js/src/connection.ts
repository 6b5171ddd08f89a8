import { backoffDelay } from "./backoff.ts";
import type { ConnectionStatus, LiveHandlers, LiveJob, LiveProgress, LiveTimes, Surroundings } from "./contract.ts";
import { Newest } from "./newest.ts";
import type { StreamEvent } from "./parser.ts";

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
