/** Jobstream's live updates; see the README beside. */
export { backoffDelay } from "./backoff.ts";
export { browser, followBrowser } from "./browser.ts";
export { LiveConnection } from "./connection.ts";
export type {
  ConnectionStatus,
  LiveHandlers,
  LiveJob,
  LiveProgress,
  LiveTimes,
  Surroundings,
} from "./contract.ts";
export { comparePositions, Newest, type Position } from "./newest.ts";
export { EventParser, type StreamEvent } from "./parser.ts";
export { type OpenStream, overFetch, type StreamListener } from "./stream.ts";
