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
