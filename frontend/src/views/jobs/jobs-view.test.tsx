// @vitest-environment jsdom
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { aJob } from "../../testing/jobs";
import { type Api, renderPage } from "../../testing/render-page";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

const listing = (...jobs: ReturnType<typeof aJob>[]): Api => ({ "GET /jobs": { body: { jobs, next_cursor: null } } });
const rows = () => screen.getAllByTestId("job-row");

test("an empty list shows the command that makes the first job", async () => {
  page = await renderPage("/ui/jobs");
  expect(await screen.findByText("No jobs yet")).toBeTruthy();
  expect(screen.getByText(/curl -X POST/)).toBeTruthy();
});

test("a new job appears by itself and its row follows its state", async () => {
  page = await renderPage("/ui/jobs", listing(aJob(1)));
  await screen.findAllByTestId("job-row");
  await page.told(() => {
    page.world.stream.opens();
    page.world.stream.sends("job", aJob(2));
  });
  await waitFor(() => expect(rows()).toHaveLength(2));
  await page.told(() => page.world.stream.sends("job", aJob(2, { version: 2, state: "running", attempt: 1 })));
  expect(rows()[0]?.dataset.state).toBe("running");
  await page.told(() =>
    page.world.stream.sends("progress", { id: aJob(2).id, version: 2, revision: 1, percent: 40, message: "4 of 10" }),
  );
  expect(within(rows()[0] as HTMLElement).getByText("4 of 10")).toBeTruthy();
});

test("the connection's state is always told, and the list is read again when it is back", async () => {
  page = await renderPage("/ui/jobs", listing(aJob(1)));
  await screen.findAllByTestId("job-row");
  const connection = () => screen.getByTestId("connection").dataset.state;
  expect(connection()).toBe("reconnecting");
  await page.told(() => page.world.stream.opens());
  expect(connection()).toBe("live");
  await page.told(() => page.world.stream.fails());
  expect(connection()).toBe("reconnecting");
  expect(screen.getByText(/What you see is/)).toBeTruthy();
  const before = page.calls.filter((call) => call === "GET /jobs").length;
  await page.told(() => page.world.passes(1_000));
  await page.told(() => page.world.stream.opens());
  expect(connection()).toBe("live");
  await waitFor(() => expect(page.calls.filter((call) => call === "GET /jobs").length).toBeGreaterThan(before));
});

test("the filter is the URL", async () => {
  let asked = "";
  page = await renderPage("/ui/jobs?state=failed&tag=nightly", {
    "GET /jobs": ({ url }) => {
      asked = url.search;
      return { body: { jobs: [aJob(1, { state: "failed", tags: ["nightly"] })], next_cursor: null } };
    },
  });
  await screen.findAllByTestId("job-row");
  expect(asked).toContain("state=failed");
  expect(asked).toContain("tag=nightly");
  await userEvent.click(screen.getByRole("button", { name: /Running/ }));
  const search = new URLSearchParams(page.router.state.location.searchStr);
  expect(search.getAll("state")).toEqual(["running", "failed"]);
  expect(search.get("tag")).toBe("nightly");
});

test("under a reader who has scrolled nothing moves: new rows wait to be asked for", async () => {
  page = await renderPage("/ui/jobs", listing(aJob(2), aJob(1)));
  await screen.findAllByTestId("job-row");
  const scroller = document.querySelector(".list-scroll") as HTMLElement;
  scroller.scrollTop = 400;
  fireEvent.scroll(scroller);
  await page.told(() => page.world.stream.sends("job", aJob(3)));
  expect(rows()).toHaveLength(2);
  await userEvent.click(screen.getByRole("button", { name: "1 new" }));
  await waitFor(() => expect(rows()).toHaveLength(3));
});

test("the keyboard moves through the rows and opens one", async () => {
  page = await renderPage("/ui/jobs", { ...listing(aJob(2), aJob(1)), [`GET /jobs/${aJob(1).id}`]: { body: aJob(1) } });
  await screen.findAllByTestId("job-row");
  await userEvent.keyboard("j");
  await waitFor(() => expect(rows()[0]?.contains(document.activeElement)).toBe(true));
  await userEvent.keyboard("j");
  await waitFor(() => expect(rows()[1]?.contains(document.activeElement)).toBe(true));
  await userEvent.keyboard("{Enter}");
  await waitFor(() => expect(page.router.state.location.pathname).toBe(`/ui/jobs/${aJob(1).id}`));
});

test("a list that cannot be read says so and can be tried again", async () => {
  let away = true;
  page = await renderPage("/ui/jobs", {
    "GET /jobs": () => (away ? "unreachable" : { body: { jobs: [aJob(1)], next_cursor: null } }),
  });
  expect(await screen.findByText("Jobs could not be loaded")).toBeTruthy();
  away = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findAllByTestId("job-row")).toHaveLength(1);
});

test("a payload from bad hands is text", async () => {
  page = await renderPage("/ui/jobs", listing(aJob(1, { payload: { query: "<img src=x onerror=alert(1)>" } })));
  await screen.findAllByTestId("job-row");
  expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeTruthy();
  expect(document.querySelector("img")).toBeNull();
});

test("ticked jobs are acted on together, after their number was confirmed", async () => {
  const api: Api = {};
  for (const n of [1, 2])
    api[`POST /jobs/${aJob(n).id}/cancel`] = { body: aJob(n, { version: 2, state: "cancelled" }) };
  page = await renderPage("/ui/jobs", { ...listing(aJob(3, { state: "failed" }), aJob(2), aJob(1)), ...api });
  await screen.findAllByTestId("job-row");
  await userEvent.keyboard("jxjjX");
  expect(screen.getByTestId("bulk").textContent).toContain("3 selected");
  expect(screen.getByTestId("bulk").textContent).toContain("Redrive 1");
  await userEvent.keyboard("c");
  fireEvent.click(await screen.findByText("Cancel 2 jobs"));
  expect(await screen.findByText("2 jobs cancelled.")).toBeTruthy();
  await waitFor(() => expect(rows().map((row) => row.dataset.state)).toEqual(["failed", "cancelled", "cancelled"]));
  expect(screen.queryByTestId("bulk")).toBeNull();
});

test("batch, error and time are filters of the API's, and dropped by a click", async () => {
  const asked: string[] = [];
  page = await renderPage("/ui/jobs?batch=b1&error_type=ConnectError&created_after=1h", {
    "GET /jobs": ({ url }) => {
      asked.push(url.search);
      const error = { kind: "exhausted" as const, type: "ConnectError", message: "" };
      const job = aJob(1, { state: "failed", batch: "b1", error, created_at: new Date().toISOString() });
      return { body: { jobs: [job], next_cursor: null } };
    },
  });
  await screen.findAllByTestId("job-row");
  expect(asked[0]).toMatch(/batch=b1&error_type=ConnectError&created_after=20/);
  fireEvent.click(screen.getByLabelText("Drop the filter batch b1"));
  await waitFor(() => expect(page.router.state.location.searchStr).toBe("?error_type=ConnectError&created_after=1h"));
});

test("an empty page of a rare filter that goes on is read on", async () => {
  page = await renderPage("/ui/jobs?error_type=Rare", {
    "GET /jobs": ({ url }) => {
      const error = { kind: "exhausted" as const, type: "Rare", message: "" };
      const more = url.searchParams.get("cursor") !== "more";
      return { body: { jobs: more ? [] : [aJob(1, { state: "failed", error })], next_cursor: more ? "more" : null } };
    },
  });
  expect(await screen.findAllByTestId("job-row")).toHaveLength(1);
});
