// @vitest-environment jsdom
import { screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { renderPage } from "../../testing/render-page";
import { someStats } from "../../testing/stats";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

const thisMinute = `${new Date().toISOString().slice(0, 16)}:00Z`;
const spans = { p50: 0.5, p95: 2 };

test("one line says how it is, and every figure leads to the jobs it counts", async () => {
  const minute = { minute: thisMinute, task: "noop", finished: 8, failed: 4, wait: spans, run: spans };
  page = await renderPage("/ui", { "GET /stats": { body: someStats({ minutes: [minute] }) } });
  expect((await screen.findByText("One task is failing")).closest("[data-testid=truth]")).toBeTruthy();
  const links = [...document.querySelectorAll<HTMLAnchorElement>("a[href^='/ui/jobs?']")].map(({ search }) => search);
  expect(links).toContain("?task=noop&state=failed&created_after=15m");
  expect(links).toContain("?state=pending");
  expect(screen.getByText("8 succeeded")).toBeTruthy();
  expect(screen.getByText("wait 500 ms, p95 2.0 s")).toBeTruthy();
  expect(screen.getByText("3 busy, 97 free")).toBeTruthy();
});

test("an API that keeps no minutes is asked without them, and the charts say so", async () => {
  page = await renderPage("/ui", {
    "GET /stats": ({ url }) =>
      url.search
        ? { status: 422, body: { type: "/problems/invalid-request", title: "", status: 422 } }
        : { body: someStats({ lag: null }) },
  });
  expect(await screen.findAllByText("This API keeps no figures by the minute.")).toHaveLength(2);
  expect(screen.getByText("Kafka does not answer.")).toBeTruthy();
});
