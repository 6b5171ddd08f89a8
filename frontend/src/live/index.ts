/** Live job updates over server-sent events, on its own: nothing here knows the page or needs a package. */
export { type Backoff, backoffDelay, DEFAULT_BACKOFF } from "./backoff";
export { browser, followBrowser } from "./browser";
export {
  type ConnectionStatus,
  type EventSourceLike,
  LiveConnection,
  type LiveHandlers,
  type LiveJob,
  type LiveProgress,
  type Surroundings,
} from "./connection";
export { comparePositions, Newest, type Position } from "./newest";
