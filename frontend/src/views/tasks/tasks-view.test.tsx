// @vitest-environment jsdom
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { renderPage } from "../../testing/render-page";
import { someStats } from "../../testing/stats";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

test("a task shows its figures, is paused with a reason, and says why until it is resumed", async () => {
  let pause: unknown = null;
  const task = () => ({
    name: "noop",
    description: "Does nothing.",
    payload_schema: {},
    result_schema: null,
    options: {},
    paused: pause !== null,
    pause,
  });
  const minute = `${new Date().toISOString().slice(0, 16)}:00Z`;
  const spans = { p50: 0.5, p95: 2 };
  page = await renderPage("/ui/tasks", {
    "GET /tasks": () => ({ body: { tasks: [task()], next_cursor: null } }),
    "GET /stats": {
      body: someStats({ minutes: [{ minute, task: "noop", finished: 6, failed: 4, wait: spans, run: spans }] }),
    },
    "POST /tasks/noop/pause": ({ body }) => {
      pause = { at: new Date().toISOString(), by: "person", ...(body as object) };
      return { body: task() };
    },
    "POST /tasks/noop/resume": () => {
      pause = null;
      return { body: task() };
    },
  });
  await waitFor(() => expect(screen.getByTestId("task").textContent).toContain("4 · 40 %"));
  expect(screen.getByTestId("task").textContent).toContain("2.0 s");
  fireEvent.click(screen.getByText("Pause"));
  fireEvent.change(screen.getByLabelText(/Reason/), { target: { value: "the database moves" } });
  fireEvent.click(screen.getByText("Pause the task"));
  expect(await screen.findByText("the database moves")).toBeTruthy();
  fireEvent.click(screen.getByText("Resume"));
  await waitFor(() => expect(screen.queryByText("the database moves")).toBeNull());
});

test("a task that a worker cannot run says so with its error", async () => {
  const unavailable = [{ worker: "w-1", host: "h", at: new Date().toISOString(), error: "ValueError: no key" }];
  const task = {
    name: "greet",
    description: "",
    payload_schema: {},
    result_schema: {},
    options: {},
    paused: false,
    pause: null,
    upstreams: [],
    unavailable,
  };
  page = await renderPage("/ui/tasks", {
    "GET /tasks": { body: { tasks: [task], next_cursor: null } },
    "GET /stats": { body: someStats({}) },
  });
  await waitFor(() => expect(screen.getByTestId("unavailable").textContent).toContain("ValueError: no key"));
});

test("a task shows what is left of its upstream's quota, and why the upstream is left alone", async () => {
  const soon = new Date(Date.now() + 12 * 60_000 + 30_000).toISOString();
  const task = {
    name: "image.search",
    description: null,
    payload_schema: {},
    result_schema: null,
    options: {},
    paused: false,
    pause: null,
    upstreams: [
      {
        name: "unsplash",
        tasks: ["image.search"],
        quota: { limit: 50, window_seconds: 3600, remaining: 12, resets_at: soon, waiting: 1 },
        breaker: { state: "closed", since: null, retry_at: null, reason: null },
      },
      {
        name: "other",
        tasks: ["image.search"],
        quota: null,
        breaker: { state: "open", since: new Date().toISOString(), retry_at: soon, reason: "it answered <b>503" },
      },
    ],
  };
  page = await renderPage("/ui/tasks", {
    "GET /tasks": { body: { tasks: [task], next_cursor: null } },
    "GET /stats": { body: someStats() },
  });
  const [quota, breaker] = await screen.findAllByTestId("upstream");
  expect(quota?.textContent).toMatch(
    /^unsplash 12 of 50 calls left in 1 h, the next comes back in 12 m \d\d s; 1 job waits for a turn\.$/,
  );
  expect(breaker?.textContent).toMatch(/^other Left alone for now because its calls fail; .* it answered <b>503$/);
});
