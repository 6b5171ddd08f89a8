// @vitest-environment jsdom
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { aJob } from "../../testing/jobs";
import { type Api, renderPage } from "../../testing/render-page";

let page: Awaited<ReturnType<typeof renderPage>>;
afterEach(() => page.leave());

const TASKS: Api = {
  "GET /tasks": {
    body: {
      tasks: [
        {
          name: "image.search",
          description: "Finds pictures.",
          paused: false,
          options: {},
          result_schema: null,
          payload_schema: {
            required: ["query"],
            properties: {
              query: { type: "string", title: "Query", maxLength: 200 },
              count: { type: "integer", title: "Count", default: 10, minimum: 1, maximum: 30 },
            },
          },
        },
        { name: "noop", description: null, paused: true, options: {}, result_schema: null, payload_schema: {} },
      ],
      next_cursor: null,
    },
  },
};
const submit = () => userEvent.click(screen.getByRole("button", { name: "Submit job" }));

test("a job is submitted once, with a key of its own, and its page is shown", async () => {
  const posted: { body: unknown; key: string | null }[] = [];
  page = await renderPage("/ui/new", {
    ...TASKS,
    "POST /jobs": ({ body, headers }) => {
      posted.push({ body, key: headers.get("idempotency-key") });
      return { status: 202, body: aJob(1) };
    },
    [`GET /jobs/${aJob(1).id}`]: { body: aJob(1) },
    [`GET /jobs/${aJob(1).id}/attempts`]: { body: [] },
  });
  await userEvent.type(await screen.findByLabelText("Query"), "mountains");
  expect(screen.getByText(/curl -X POST/).textContent).toContain("mountains");
  await submit();
  await waitFor(() => expect(page.router.state.location.pathname).toBe(`/ui/jobs/${aJob(1).id}`));
  expect(posted).toEqual([
    { body: { task: "image.search", payload: { query: "mountains" } }, key: expect.any(String) },
  ]);
});

test("priority, expiry and a unique key are options of any job", async () => {
  const posted: unknown[] = [];
  page = await renderPage("/ui/new", {
    ...TASKS,
    "POST /jobs": ({ body }) => {
      posted.push(body);
      return { status: 202, body: aJob(1) };
    },
    [`GET /jobs/${aJob(1).id}`]: { body: aJob(1) },
  });
  await userEvent.type(await screen.findByLabelText("Query"), "sea");
  await userEvent.click(screen.getByText("Options"));
  await userEvent.selectOptions(screen.getByLabelText("Priority"), "low");
  await userEvent.type(screen.getByLabelText("Expires in, seconds"), "60");
  await userEvent.type(screen.getByLabelText("Unique key"), "nightly");
  await submit();
  const options = { priority: "low", expires_in: 60, unique_key: "nightly" };
  await waitFor(() => expect(posted).toEqual([{ task: "image.search", payload: { query: "sea" }, ...options }]));
});

test("after a lost answer the same submission is sent with the same key", async () => {
  const keys: (string | null)[] = [];
  page = await renderPage("/ui/new", {
    ...TASKS,
    "POST /jobs": ({ headers }) => {
      keys.push(headers.get("idempotency-key"));
      return "unreachable";
    },
  });
  await userEvent.type(await screen.findByLabelText("Query"), "a");
  await submit();
  expect(await screen.findByText("The server did not answer.")).toBeTruthy();
  await submit();
  await waitFor(() => expect(keys).toHaveLength(2));
  expect(keys[1]).toBe(keys[0]);
  await userEvent.type(screen.getByLabelText("Query"), "b");
  await submit();
  await waitFor(() => expect(keys).toHaveLength(3));
  expect(keys[2]).not.toBe(keys[0]);
});

test("what is missing is said at its field before anything is sent", async () => {
  page = await renderPage("/ui/new", TASKS);
  await screen.findByLabelText("Query");
  await submit();
  expect(screen.getByText("This is needed.")).toBeTruthy();
  expect(screen.getByLabelText("Query").getAttribute("aria-invalid")).toBe("true");
  expect(page.calls).not.toContain("POST /jobs");
});

test("what the API refuses is said at the field it names", async () => {
  const errors = [
    { pointer: "/payload/query", detail: "must not be blank" },
    { pointer: "/tags/0", detail: "too long" },
    { pointer: "/deadline", detail: "unknown" },
  ];
  const problem = { type: "/problems/invalid", title: "Invalid", status: 422, detail: "3 fields are wrong", errors };
  page = await renderPage("/ui/new", { ...TASKS, "POST /jobs": { status: 422, body: problem } });
  await userEvent.type(await screen.findByLabelText("Query"), " x");
  await submit();
  expect(await screen.findByText("must not be blank")).toBeTruthy();
  expect(screen.getByText("too long")).toBeTruthy();
  expect(screen.getByRole("alert").textContent).toContain("/deadline: unknown");
});

test("another task brings another form and another address", async () => {
  page = await renderPage("/ui/new", TASKS);
  await userEvent.click(await screen.findByRole("radio", { name: /noop/ }));
  expect(await screen.findByText("This task takes no payload.")).toBeTruthy();
  expect(page.router.state.location.searchStr).toBe("?task=noop");
  expect(screen.getByText(/This task is paused/)).toBeTruthy();
});

test("a job is taken as the model for the next one", async () => {
  const model = aJob(1, { payload: { query: "fog", count: 4 }, tags: ["nightly"] });
  page = await renderPage(`/ui/new?task=image.search&from=${model.id}`, {
    ...TASKS,
    [`GET /jobs/${model.id}`]: { body: model },
  });
  expect(((await screen.findByLabelText("Query")) as HTMLInputElement).value).toBe("fog");
  expect(screen.getByText(/curl -X POST/).textContent).toContain('"tags"');
});
