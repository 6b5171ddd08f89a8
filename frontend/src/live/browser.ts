import type { Surroundings } from "./connection";

/** The real world of a browser's tab. */
export const browser: Surroundings = {
  open: (url) => new EventSource(url),
  now: () => Date.now(),
  random: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  hasNetwork: () => navigator.onLine,
};

/** Nudges a connection when the browser learns something it cannot know: a network change, a page looked at again. */
export function followBrowser(connection: { retryNow(): void; distrust(): void }): () => void {
  const online = () => connection.retryNow();
  const offline = () => connection.distrust();
  const visible = () => {
    if (document.visibilityState === "visible") connection.retryNow();
  };
  window.addEventListener("online", online);
  window.addEventListener("offline", offline);
  document.addEventListener("visibilitychange", visible);
  return () => {
    window.removeEventListener("online", online);
    window.removeEventListener("offline", offline);
    document.removeEventListener("visibilitychange", visible);
  };
}
