import { afterEach, expect, test } from "vitest";
import { browser, type ConnectionStatus, LiveConnection, type LiveJob, type LiveTimes } from "../src/index.ts";
import { type Request, serve, until } from "./server.ts";

let leave: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const one of leave.reverse()) await one();
  leave = [];
});

const job = (version: number, revision = 0, id = `${version}.${revision}`) =>
  `event: job\nid: ${id}\ndata: ${JSON.stringify({ id: "a", version, revision })}\n\n`;

/** A connection to a real server whose answers the test gives; its waits are a hundred times shorter than real ones. */
async function connect(answer: (request: Request, nth: number) => void, times: Partial<LiveTimes> = {}) {
  const server = await serve(answer);
  const seen = { jobs: [] as string[], resyncs: [] as string[], ends: 0, states: [] as ConnectionStatus[] };
  const world = browser({ authorization: "Bearer js_test" });
  const connection = new LiveConnection<LiveJob>(
    {
      onJob: ({ version, revision }) => seen.jobs.push(`${version}.${revision}`),
      onResync: (reason) => seen.resyncs.push(reason),
      onEnd: () => {
        seen.ends += 1;
      },
      onStatus: (status) => seen.states.push(status),
    },
    // A wait of a second is ten milliseconds here; the silences below are real.
    { ...world, random: () => 0.01 },
    times,
  );
  connection.watch(`${server.url}/events`);
  leave.push(server.close, async () => connection.close());
  return { ...server, seen, connection };
}

test("a stream that breaks is opened anew, goes on after the last id, and passes nothing twice", async () => {
  const { requests, seen } = await connect((request, nth) => {
    if (nth === 1) {
      request.streams(`retry: 1500\n\n${job(1)}${job(2)}id: c1;0:12\n\n`);
      setTimeout(request.breaks, 30);
    } else request.streams(job(2) + job(3));
  });
  await until(
    () => seen.jobs,
    (jobs) => jobs.at(-1) === "3.0",
  );
  expect(seen.jobs).toEqual(["1.0", "2.0", "3.0"]);
  expect(requests.map(({ lastEventId }) => lastEventId)).toEqual([undefined, "c1;0:12"]);
  expect(requests[1]?.headers.authorization).toBe("Bearer js_test");
  expect(seen.resyncs).toEqual(["opened"]);
});

test("no status ends it: after 503, 404, 200 with HTML and a reset connection it is live", async () => {
  const { requests, seen, connection } = await connect((request, nth) => {
    if (nth === 1) request.answer.writeHead(503).end();
    else if (nth === 2) request.answer.writeHead(404, { "content-type": "application/problem+json" }).end("{}");
    else if (nth === 3) request.answer.writeHead(200, { "content-type": "text/html" }).end("<p>hello</p>");
    else if (nth === 4) request.breaks();
    else request.streams(job(1));
  });
  await until(
    () => seen.jobs.length,
    (count) => count === 1,
  );
  expect(requests).toHaveLength(5);
  expect(connection.status.state).toBe("live");
  expect(seen.states.some(({ state }) => state === "live")).toBe(true);
});

test("Retry-After of a refusal is kept", async () => {
  const { seen, connection } = await connect((request) => request.answer.writeHead(429, { "retry-after": "20" }).end());
  await until(
    () => seen.states.at(-1)?.retryAt ?? null,
    (at) => at !== null,
  );
  expect((connection.status.retryAt ?? 0) - Date.now()).toBeGreaterThan(15_000);
});

test("a silent stream is replaced, one that is heard is not", async () => {
  let beats: ReturnType<typeof setInterval> | undefined;
  const { requests, seen } = await connect(
    (request, nth) => {
      request.streams(job(nth));
      if (nth === 2) beats = setInterval(() => request.streams('event: heartbeat\ndata: {"at":1}\n\n'), 100);
    },
    { silence: 1_000 },
  );
  leave.push(async () => clearInterval(beats));
  await until(
    () => seen.jobs,
    (jobs) => jobs.length === 2,
  );
  const since = Date.now();
  await until(
    () => Date.now() - since,
    (ms) => ms > 1_500,
  );
  expect(requests).toHaveLength(2);
});

test("an opening that hangs is given up", async () => {
  const { requests, seen } = await connect((request, nth) => nth > 1 && request.streams(job(1)), { opening: 400 });
  await until(
    () => seen.jobs.length,
    (count) => count === 1,
  );
  expect(requests.length).toBeGreaterThan(1);
});

test("bye and busy are obeyed, reset asks for the list, end is the end", async () => {
  const { requests, seen, connection } = await connect((request, nth) => {
    if (nth === 1) request.streams(`${job(1)}event: bye\ndata: {"retry":20}\n\n`);
    else if (nth === 2) request.streams("retry: 40\n\nevent: busy\ndata: {}\n\n");
    else request.streams(`event: reset\ndata: {"reason":"gone"}\n\n${job(2)}event: end\ndata: {}\n\n`);
  });
  await until(
    () => seen.ends,
    (ends) => ends === 1,
  );
  expect(seen.states.map(({ reason }) => reason)).toEqual(expect.arrayContaining(["leaving", "busy"]));
  expect(seen.resyncs).toEqual(["opened", "reset"]);
  expect(requests.map(({ lastEventId }) => lastEventId)).toEqual([undefined, "1.0", "1.0"]);
  connection.retryNow();
  expect(requests).toHaveLength(3);
});

test("a closed connection is closed on the server as well", async () => {
  let gone = false;
  const { seen, connection } = await connect((request) => {
    request.answer.on("close", () => {
      gone = true;
    });
    request.streams(job(1));
  });
  await until(
    () => seen.jobs.length,
    (count) => count === 1,
  );
  connection.close();
  await until(
    () => gone,
    (is) => is,
  );
});

test("text is UTF-8 wherever the network cuts it", async () => {
  const frame = Buffer.from('event: job\nid: 1.0\ndata: {"id":"a","version":1,"revision":0,"task":"größe 🎈"}\n\n');
  const told: unknown[] = [];
  const server = await serve(async ({ streams, answer }) => {
    streams();
    for (const byte of frame) await new Promise((resolve) => answer.write(Buffer.from([byte]), resolve));
  });
  const connection = new LiveConnection<LiveJob & { task: string }>({ onJob: (one) => told.push(one.task) }, browser());
  leave.push(server.close, async () => connection.close());
  connection.watch(server.url);
  await until(
    () => told,
    (tasks) => tasks.length === 1,
  );
  expect(told).toEqual(["größe 🎈"]);
});
