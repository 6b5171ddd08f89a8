// @vitest-environment jsdom
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import type { DeadLetter } from "../../api/types";
import { aJob } from "../../testing/jobs";
import { type Api, renderPage } from "../../testing/render-page";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

const at = "2026-11-24T10:00:00Z";
const GROUPS: Api = {
  "GET /dead-letters/groups": {
    body: {
      groups: [
        { task: "http.request", kind: "exhausted", error_type: "ConnectError", count: 1200, first: at, last: at },
        { task: null, kind: "message_rejected", error_type: "DecodeError", count: 2, first: at, last: at },
      ],
    },
  },
};
const letter = (fields: Partial<DeadLetter> = {}): DeadLetter => ({
  id: "l1",
  kind: "exhausted",
  job: aJob(1).id,
  task: "http.request",
  owner: "default",
  error: { type: "ConnectError", message: "nobody there" },
  attempts: 5,
  origin: { topic: "dead-letter", partition: 0, offset: 7, timestamp: at },
  source: null,
  raw: btoa("\u0000hello"),
  redriven: 0,
  created_at: at,
  ...fields,
});
const letters = (...all: DeadLetter[]): Api => ({
  "GET /dead-letters": { body: { dead_letters: all, next_cursor: null } },
});

test("letters are shown by what they have in common, and a group leads to its letters", async () => {
  let asked = "";
  page = await renderPage("/ui/dead-letters", {
    ...GROUPS,
    "GET /dead-letters": ({ url }) => {
      asked = url.search;
      return { body: { dead_letters: [letter()], next_cursor: null } };
    },
  });
  expect((await screen.findAllByTestId("letter-group")).map((row) => row.querySelector("strong")?.textContent)).toEqual(
    ["1,200", "2"],
  );
  fireEvent.click(screen.getByText("http.request"));
  await screen.findByTestId("letter");
  expect(asked).toBe("?task=http.request&kind=exhausted&error_type=ConnectError");
  expect(page.router.state.location.searchStr).toBe(asked);
});

test("a group is counted before it is redriven, at a rate if one is wanted", async () => {
  const bodies: unknown[] = [];
  page = await renderPage("/ui/dead-letters", {
    ...GROUPS,
    "POST /dead-letters/redrive": ({ body }) => {
      bodies.push(body);
      return { body: { matched: 1200, redriven: 1190, skipped: 10, complete: true } };
    },
  });
  fireEvent.click(await screen.findByText("Redrive…"));
  const go = await screen.findByText("Redrive 1,190 jobs");
  expect(screen.getByTestId("redrive-count").textContent).toContain("1,190 of 1,200 jobs would start anew; 10 are");
  fireEvent.change(screen.getByLabelText("Jobs a second"), { target: { value: "5" } });
  fireEvent.click(go);
  expect(await screen.findByText("1,190 jobs redriven, 10 skipped.")).toBeTruthy();
  const filter = { task: "http.request", kind: "exhausted", error_type: "ConnectError" };
  expect(bodies).toEqual([
    { filter, dry_run: true },
    { filter, rate_per_second: 5 },
  ]);
});

test("the bytes of a message are read as text or in hex, also when the list left them out", async () => {
  page = await renderPage("/ui/dead-letters?all=1", {
    ...GROUPS,
    ...letters(letter({ raw: null })),
    "GET /dead-letters/l1": { body: letter() },
  });
  fireEvent.click(await screen.findByText("Message"));
  expect((await screen.findByText(/hello/)).tagName).toBe("CODE");
  fireEvent.click(screen.getByText("As hex"));
  expect(screen.getByText(/000000 00 68 65 6c 6c 6f/)).toBeTruthy();
});

test("one letter's job is redriven by its button", async () => {
  page = await renderPage("/ui/dead-letters?kind=exhausted", {
    ...GROUPS,
    ...letters(letter()),
    [`POST /jobs/${aJob(1).id}/redrive`]: { status: 202, body: aJob(1, { version: 5, redrives: 1 }) },
  });
  await screen.findByTestId("letter");
  fireEvent.click(screen.getByText("Redrive"));
  await waitFor(() => expect(page.calls).toContain(`POST /jobs/${aJob(1).id}/redrive`));
});

test("an API that counts no groups has its letters listed one by one", async () => {
  page = await renderPage("/ui/dead-letters", letters(letter()));
  expect(await screen.findByTestId("letter")).toBeTruthy();
  expect(screen.queryByText("Groups")).toBeNull();
});
