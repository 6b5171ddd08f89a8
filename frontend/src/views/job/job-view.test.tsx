// @vitest-environment jsdom
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import type { Job } from "../../api/types";
import { aJob } from "../../testing/jobs";
import { type Api, renderPage } from "../../testing/render-page";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

const path = `/ui/jobs/${aJob(1).id}`;
const api = (job: Job, more: Api = {}): Api => ({
  [`GET /jobs/${job.id}`]: { body: job },
  [`GET /jobs/${job.id}/attempts`]: { body: [] },
  ...more,
});
const state = () => screen.getByTestId("job-state").dataset.state;
const picture = (n: number) => ({
  id: String(n),
  width: 300,
  height: 200,
  color: "#aabbcc",
  blur_hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  alt: `Lake ${n}`,
  urls: { full: `/images/a${n}`, regular: `/images/a${n}`, small: `/images/a${n}`, thumb: `/images/a${n}` },
  author: { name: "Mira", url: "https://example.org/@mira" },
  attribution: { text: "", provider_name: "Unsplash", provider_url: "https://unsplash.com/" },
  download_location: null,
  drawn: false,
});

test("an unfinished job is followed on its own stream, a finished one on the list's, one stream at a time", async () => {
  page = await renderPage(path, api(aJob(1)));
  await screen.findByTestId("job-state");
  await waitFor(() => expect(page.world.openStreams.map(({ url }) => url)).toEqual([`/jobs/${aJob(1).id}/events`]));
  await page.told(() => page.world.stream.opens());
  await page.told(() => page.world.stream.sends("job", aJob(1, { version: 2, state: "running", attempt: 1 })));
  expect(state()).toBe("running");
  await page.told(() => {
    page.world.stream.sends("job", aJob(1, { version: 3, state: "cancelled" }));
    page.world.stream.sends("end", {});
  });
  expect(state()).toBe("cancelled");
  expect(page.world.openStreams.map(({ url }) => url)).toEqual(["/events"]);
});

test("pictures stand with their authors and open large; the arrow keys go on", async () => {
  const result = { provider: "unsplash", query: "lake", images: [picture(1), picture(2)] };
  page = await renderPage(path, api(aJob(1, { version: 3, state: "succeeded", result })));
  expect(await screen.findAllByTestId("picture")).toHaveLength(2);
  expect(screen.getAllByRole("link", { name: "Mira" })[0]?.getAttribute("href")).toBe("https://example.org/@mira");
  expect(screen.getAllByRole("link", { name: "Unsplash" })[0]?.getAttribute("rel")).toBe("noopener noreferrer");
  await userEvent.click(screen.getAllByTestId("picture")[0] as HTMLElement);
  expect(await screen.findByText("1 of 2")).toBeTruthy();
  await userEvent.keyboard("{ArrowRight}");
  expect(screen.getByText("2 of 2")).toBeTruthy();
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
});

test("pictures keep their room, come when they are near, and in the size that is needed", async () => {
  const urls = { full: "/images/c", regular: "/images/c", small: "/images/b", thumb: "/images/a" };
  const result = { provider: "openverse", query: "lake", images: [{ ...picture(1), urls }] };
  page = await renderPage(path, api(aJob(1, { version: 3, state: "succeeded", result })));
  const image = await screen.findByAltText<HTMLImageElement>("Lake 1");
  expect([image.getAttribute("width"), image.getAttribute("height"), image.getAttribute("loading")]).toEqual([
    "300",
    "200",
    "lazy",
  ]);
  expect(image.srcset).toBe("/images/a 200w, /images/b 400w, /images/c 1080w");
  expect(image.getAttribute("sizes")).toMatch(/^\d+px$/);
  expect(document.querySelector("canvas.blur")).toBeTruthy();
});

test("names and licences of strangers are text, and their links are no scripts", async () => {
  const hostile = "<img src=x onerror=alert(1)>";
  const image = {
    ...picture(1),
    author: { name: hostile, url: "javascript:alert(1)" },
    attribution: {
      text: hostile,
      provider_name: hostile,
      provider_url: "javascript:alert(1)",
      license: hostile,
      license_url: "javascript:alert(1)",
      source_url: "javascript:alert(1)",
    },
  };
  const result = { provider: "openverse", query: "lake", images: [image] };
  page = await renderPage(path, api(aJob(1, { version: 3, state: "succeeded", result })));
  expect(await screen.findAllByText(hostile)).toHaveLength(3);
  expect(document.querySelector("img[onerror], img[src='x'], a[href^='javascript']")).toBeNull();
  expect(screen.queryByRole("link", { name: "source" })).toBeNull();
});

test("the provider that asks for it is told which picture a person takes, and no other", async () => {
  const images = [{ ...picture(1), download_location: "https://api.unsplash.com/photos/1/download" }, picture(2)];
  const result = { provider: "unsplash", query: "lake", images };
  const reported: unknown[] = [];
  page = await renderPage(
    path,
    api(aJob(1, { version: 3, state: "succeeded", result }), {
      "POST /images/1/used": ({ body }: { body: unknown }) => {
        reported.push(body);
        return { status: 202, body: aJob(2, { task: "image.used" }) };
      },
    }),
  );
  await userEvent.click((await screen.findAllByTestId("picture"))[0] as HTMLElement);
  await userEvent.click(await screen.findByRole("link", { name: "Original" }));
  await waitFor(() => expect(reported).toEqual([{ job: aJob(1).id }]));
  await userEvent.keyboard("{ArrowRight}");
  await userEvent.click(await screen.findByRole("link", { name: "Original" }));
  expect(page.calls.filter((call) => call.includes("/used"))).toEqual(["POST /images/1/used"]);
});

test("a person hears of it when the provider could not be told", async () => {
  const image = { ...picture(1), download_location: "https://api.unsplash.com/photos/1/download" };
  const result = { provider: "unsplash", query: "lake", images: [image] };
  page = await renderPage(
    path,
    api(aJob(1, { version: 3, state: "succeeded", result }), { "POST /images/1/used": "unreachable" }),
  );
  await userEvent.click((await screen.findAllByTestId("picture"))[0] as HTMLElement);
  await userEvent.click(await screen.findByRole("link", { name: "Original" }));
  expect(await screen.findByText(/Unsplash was not told .* The server did not answer/)).toBeTruthy();
});

test("a large result is read on its own", async () => {
  const job = aJob(1, { task: "sleep", version: 3, state: "succeeded", result_url: `/jobs/${aJob(1).id}/result` });
  page = await renderPage(path, api(job, { [`GET /jobs/${job.id}/result`]: { body: { slept: 7 } } }));
  expect(await screen.findByText("7")).toBeTruthy();
});

test("a failure is told in plain words with what to do, and is redriven by one key", async () => {
  const error = { kind: "exhausted" as const, type: "Unavailable", message: "<script>503</script>" };
  const job = aJob(1, { version: 9, state: "failed", attempt: 5, error });
  page = await renderPage(
    path,
    api(job, { [`POST /jobs/${job.id}/redrive`]: { status: 202, body: aJob(1, { version: 10, redrives: 1 }) } }),
  );
  expect(await screen.findByText("All attempts failed")).toBeTruthy();
  expect(screen.getByText(/<script>503<\/script>/)).toBeTruthy();
  await userEvent.keyboard("r");
  await waitFor(() => expect(state()).toBe("pending"));
  expect(page.calls).toContain(`POST /jobs/${job.id}/redrive`);
});

test("what the task has told stands there while it runs, and why it waits when it does not", async () => {
  const lines = [{ at: "2026-11-24T10:00:01.000Z", attempt: 1, level: "info", message: "slept 1 of 3 s" }];
  const job = aJob(1, { version: 2, state: "running", attempt: 1, priority: "low", unique_key: "nightly" });
  page = await renderPage(path, api(job, { [`GET /jobs/${job.id}/logs`]: { body: lines } }));
  expect(await screen.findByText("slept 1 of 3 s")).toBeTruthy();
  expect(screen.getByText("nightly")).toBeTruthy();
  await waitFor(() => expect(page.world.stream.url).toBe(`/jobs/${job.id}/events`));
  await page.told(() => page.world.stream.opens());
  await page.told(() => page.world.stream.sends("job", aJob(1, { version: 3, state: "waiting", reason: "paused" })));
  expect((await screen.findAllByText("Task is paused")).length).toBeGreaterThan(0);
});

test("a task that is paused says why on every view, and is resumed there", async () => {
  const pause = { at: "2026-11-24T09:59:00.000Z", by: "brake", reason: "20 of the last 20 attempts ended in Refused" };
  let paused = true;
  const task = () => ({ name: "image.search", description: null, payload_schema: {}, options: {}, paused, pause });
  page = await renderPage(
    path,
    api(aJob(1), {
      "GET /tasks": () => ({ body: { tasks: [task()], next_cursor: null } }),
      "POST /tasks/image.search/resume": () => {
        paused = false;
        return { body: task() };
      },
    }),
  );
  expect(await screen.findByText(/ended in Refused/)).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Resume" }));
  expect(await screen.findByText("image.search goes on.")).toBeTruthy();
  await waitFor(() => expect(screen.queryByTestId("paused-task")).toBeNull());
});

test("cancel asks first, and a refusal is told", async () => {
  const problem = { type: "/problems/job-already-final", title: "Final", status: 409, detail: "It had already ended." };
  page = await renderPage(path, api(aJob(1), { [`POST /jobs/${aJob(1).id}/cancel`]: { status: 409, body: problem } }));
  await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  expect(page.calls).not.toContain(`POST /jobs/${aJob(1).id}/cancel`);
  await userEvent.click(screen.getByRole("button", { name: "Cancel the job" }));
  expect(await screen.findByText("It had already ended.")).toBeTruthy();
});

test("a job that does not exist is said to be gone, and nothing follows it", async () => {
  page = await renderPage("/ui/jobs/0198f3aa-0000-7000-8000-00000000dead");
  expect(await screen.findByText("There is no such job")).toBeTruthy();
  expect(page.world.openStreams.map(({ url }) => url)).toEqual(["/events"]);
});
