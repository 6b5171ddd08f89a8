import { createMemoryHistory } from "@tanstack/react-router";
import { act, cleanup, configure, render } from "@testing-library/react";
import { FakeWorld } from "jobstream-events/testing";
import { vi } from "vitest";
import { createPage } from "../page";
import { someStats } from "./stats";

// A deadline, not a measure: on a busy machine a view may take its time.
configure({ asyncUtilTimeout: 10_000 });

type Answer = { status?: number; body: unknown } | "unreachable";

/** What the API answers, by "METHOD /path" without its query. */
export type Api = Record<string, Answer | ((request: { url: URL; body: unknown; headers: Headers }) => Answer)>;

const QUIET: Api = {
  "GET /stats": { body: someStats() },
  "GET /tasks": { body: { tasks: [], next_cursor: null } },
  "GET /jobs": { body: { jobs: [], next_cursor: null } },
};

/** Draws the whole page at `path`, with a fake API behind it and a fake stream that the test speaks through. */
export async function renderPage(path: string, api: Api = {}) {
  const world = new FakeWorld();
  const calls: string[] = [];
  giveJsdomASize();
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, "http://page.test");
    const name = `${init.method ?? "GET"} ${url.pathname}`;
    calls.push(name);
    const known = { ...QUIET, ...api }[name];
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
    const answer =
      typeof known === "function" ? known({ url, body, headers: new Headers(init.headers) }) : (known ?? NO_SUCH);
    if (answer === "unreachable") throw new TypeError("Failed to fetch");
    const status = answer.status ?? 200;
    const type = status < 400 ? "application/json" : "application/problem+json";
    return new Response(status === 204 ? null : JSON.stringify(answer.body), {
      status,
      headers: { "content-type": type },
    });
  });

  const page = createPage({ world, history: createMemoryHistory({ initialEntries: [path] }), retry: false });
  const stop = page.start();
  await page.router.load();
  render(page.element);
  return {
    world,
    calls,
    router: page.router,
    /** Something happens on the stream, and the page has drawn what follows. */
    async told(happens: () => void): Promise<void> {
      await act(async () => {
        happens();
        // The live list draws at most ten times a second.
        await new Promise((resolve) => setTimeout(resolve, 120));
      });
    },
    leave(): void {
      stop();
      cleanup();
      vi.unstubAllGlobals();
    },
  };
}

const NO_SUCH = { status: 404, body: { type: "/problems/not-found", title: "Not found", status: 404 } };

/** jsdom lays nothing out: without a size a virtual list draws no row and a gallery has no width. */
function giveJsdomASize(): void {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      readonly #told: ResizeObserverCallback;
      constructor(told: ResizeObserverCallback) {
        this.#told = told;
      }
      observe(target: Element): void {
        const entry = { target, contentRect: { width: 900, height: 800 } } as unknown as ResizeObserverEntry;
        this.#told([entry], this as unknown as ResizeObserver);
      }
      unobserve(): void {}
      disconnect(): void {}
    },
  );
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(800);
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(900);
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
  Element.prototype.scrollTo ??= () => {};
  window.scrollTo = () => {};
}
