/** Jobstream's live updates; see the README beside. */
export { backoffDelay } from "./backoff.ts";
export { browser, followBrowser } from "./browser.ts";
export {
  type ConnectionStatus,
  LiveConnection,
  type LiveHandlers,
  type LiveJob,
  type LiveProgress,
  type LiveTimes,
  type Surroundings,
} from "./connection.ts";
export { comparePositions, Newest, type Position } from "./newest.ts";
export { EventParser, type StreamEvent } from "./parser.ts";
export { type OpenStream, overFetch, type StreamListener } from "./stream.ts";
