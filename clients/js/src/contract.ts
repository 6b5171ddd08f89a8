import type { Position } from "./newest.ts";
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
  percent: number;
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
