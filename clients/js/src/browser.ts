import type { Surroundings } from "./contract.ts";
import { overFetch } from "./stream.ts";

/** The real world of a browser's tab, or of Node; `headers` go with every request (an API key, say). */
export function browser(headers?: Readonly<Record<string, string>>): Surroundings {
  return {
    open: overFetch(headers),
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    hasNetwork: () => globalThis.navigator?.onLine !== false,
  };
}

const HIDDEN_FOR = 20_000;

/**
 * Tells a connection what only the browser knows: a network that changed, a page that nobody looks at, or again.
 *
 * A hidden page gives its connection back: over HTTP/1.1 a browser opens six to one server, so that the seventh tab with
 * a stream would wait for ever for its first answer.
 */
export function followBrowser(connection: { retryNow(): void; distrust(): void; pause(): void }): () => void {
  let hiding: ReturnType<typeof setTimeout> | undefined;
  const online = () => connection.retryNow();
  const offline = () => connection.distrust();
  const visible = () => {
    clearTimeout(hiding);
    if (document.visibilityState === "visible") connection.retryNow();
    else hiding = setTimeout(() => connection.pause(), HIDDEN_FOR);
  };
  visible();
  window.addEventListener("online", online);
  window.addEventListener("offline", offline);
  document.addEventListener("visibilitychange", visible);
  return () => {
    clearTimeout(hiding);
    window.removeEventListener("online", online);
    window.removeEventListener("offline", offline);
    document.removeEventListener("visibilitychange", visible);
  };
}
