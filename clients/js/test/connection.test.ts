import { beforeEach, describe, expect, test } from "vitest";
import { LiveConnection } from "../src/connection.ts";
import type { ConnectionStatus, LiveJob, LiveProgress } from "../src/contract.ts";
import { FakeWorld } from "../src/testing.ts";

let world: FakeWorld;
let jobs: LiveJob[];
let progress: LiveProgress[];
let resyncs: string[];
let ends: number;
let states: ConnectionStatus["state"][];
let connection: LiveConnection<LiveJob>;

beforeEach(() => {
  world = new FakeWorld();
  jobs = [];
  progress = [];
  resyncs = [];
  ends = 0;
  states = [];
  connection = new LiveConnection(
    {
      onJob: (job) => jobs.push(job),
      onProgress: (one) => progress.push(one),
      onResync: (reason) => resyncs.push(reason),
      onEnd: () => {
        ends += 1;
      },
      onStatus: ({ state }) => states.push(state),
    },
    world,
  );
  connection.watch("/events");
});

const view = (version: number, revision = 0) => ({ id: "a", version, revision });

describe("a good stream", () => {
  test("is live once it has opened, and asks for the list to be read", () => {
    expect(connection.status.state).toBe("reconnecting");
    world.stream.opens();
    expect(connection.status.state).toBe("live");
    expect(resyncs).toEqual(["opened"]);
  });

  test("drops what is not newer by version and revision", () => {
    world.stream.opens();
    for (const told of [view(2), view(2), view(1), view(2, 1), view(3), view(2, 9)]) world.stream.sends("job", told);
    expect(jobs).toEqual([view(2), view(2, 1), view(3)]);
  });

  test("does not lose a state that its progress has overtaken", () => {
    world.stream.sends("progress", { ...view(2, 3), percent: 40, message: null });
    world.stream.sends("job", view(2, 0));
    world.stream.sends("job", view(2, 2));
    expect(progress).toHaveLength(1);
    expect(jobs).toEqual([view(2, 0)]);
  });

  test("asks for the list again on reset and stays", () => {
    world.stream.opens();
    world.stream.sends("reset", { reason: "cursor too old" });
    expect(resyncs).toEqual(["opened", "reset"]);
    expect(world.streams).toHaveLength(1);
  });

  test("ignores what is no JSON and what is no job", () => {
    world.stream.opens();
    world.stream.sends("job", "{broken");
    world.stream.sends("job", "null");
    world.stream.sends("job", { id: 7 });
    expect(jobs).toEqual([]);
    expect(connection.status.state).toBe("live");
  });

  test("ends for good with its job", () => {
    world.stream.opens();
    world.stream.sends("end", {});
    expect(ends).toBe(1);
    world.passes(600_000);
    expect(world.streams).toHaveLength(1);
    expect(world.openStreams).toHaveLength(0);
  });
});

describe("a lost stream", () => {
  test("is opened anew by us, after a wait within the ceiling, and one at a time", () => {
    world.luck = 0.5;
    world.stream.opens();
    world.stream.fails();
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "lost", retryAt: world.now() + 500 });
    expect(world.openStreams).toHaveLength(0);
    world.passes(499);
    expect(world.streams).toHaveLength(1);
    world.passes(1);
    expect(world.openStreams).toHaveLength(1);
    world.stream.opens();
    expect(resyncs).toEqual(["opened", "opened"]);
    expect(connection.status.state).toBe("live");
  });

  test("waits longer with every failure, never over the cap, and is called offline after five", () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      world.stream.fails();
      const { retryAt } = connection.status;
      waits.push((retryAt ?? 0) - world.now());
      world.passes(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(connection.status.state).toBe("offline");
    world.stream.opens();
    expect(connection.status.state).toBe("live");
  });

  test("is noticed by 45 s of silence, and a heartbeat is no silence", () => {
    world.stream.opens();
    world.passes(40_000);
    world.stream.sends("heartbeat", { at: "2026-11-24T10:00:00Z" });
    world.passes(44_000);
    expect(connection.status.state).toBe("live");
    world.passes(1_001);
    expect(connection.status.state).toBe("reconnecting");
    expect(world.streams[0]?.closed).toBe(true);
  });

  test("an opening that hangs is given up after ten seconds", () => {
    world.passes(10_001);
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "lost" });
  });

  test("says when the server was last heard", () => {
    world.stream.opens();
    const heardAt = world.now();
    world.passes(20_000);
    world.stream.fails();
    expect(connection.status.heardAt).toBe(heardAt);
  });

  test("what a closed source still says is not heard", () => {
    const first = world.stream;
    first.fails();
    first.sends("job", view(2));
    first.opens();
    expect(jobs).toEqual([]);
    expect(connection.status.state).toBe("reconnecting");
  });

  test("is tried at once when asked, once", () => {
    world.stream.fails();
    connection.retryNow();
    connection.retryNow();
    expect(world.openStreams).toHaveLength(1);
    world.passes(5_000);
    expect(world.openStreams).toHaveLength(1);
  });
});

describe("a stream that goes on", () => {
  test("names the last event's id, also one that came without an event, and the list is not read again", () => {
    world.stream.opens();
    world.stream.sends("job", view(2), "c1;0:7");
    world.stream.sends("message", "", "c1;0:9");
    world.stream.fails();
    world.passes(1_000);
    expect(world.stream.lastEventId).toBe("c1;0:9");
    world.stream.opens();
    expect(resyncs).toEqual(["opened"]);
  });

  test("asks for the list after a reset, and goes on from there", () => {
    world.stream.sends("job", view(2), "c1;0:7");
    world.stream.fails();
    world.passes(1_000);
    world.stream.opens();
    world.stream.sends("reset", { reason: "too old" });
    world.stream.sends("heartbeat", { at: 1 }, "c1;0:90");
    expect(resyncs).toEqual(["reset"]);
    world.stream.fails();
    world.passes(1_000);
    expect(world.stream.lastEventId).toBe("c1;0:90");
  });

  test("does not carry the id of one address to another", () => {
    world.stream.sends("job", view(2), "c1;0:7");
    connection.watch("/jobs/a/events");
    expect(world.stream.lastEventId).toBe("");
  });
});

describe("a server that says why", () => {
  test("bye: comes back after exactly the time it gave", () => {
    world.stream.opens();
    world.stream.sends("bye", { retry: 2_500 });
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "leaving", retryAt: world.now() + 2_500 });
  });

  test("busy: waits as long as the stream's retry says, give or take half of it", () => {
    world.luck = 0;
    world.stream.opens({ retry: 20_000 });
    world.stream.sends("busy", {});
    expect(connection.status).toMatchObject({ reason: "busy", retryAt: world.now() + 10_000 });
  });

  test("busy without a retry: waits half a minute, not a second", () => {
    world.stream.opens();
    world.stream.sends("busy", {});
    expect(connection.status).toMatchObject({ reason: "busy", retryAt: world.now() + 30_000 });
  });

  test("a refusal with Retry-After: comes back then", () => {
    world.stream.fails({ retryAfter: 7_000 });
    expect(connection.status).toMatchObject({ reason: "lost", retryAt: world.now() + 7_000 });
  });

  test("a wait it gives is never longer than a minute", () => {
    world.stream.sends("bye", { retry: 9e9 });
    expect(connection.status.retryAt).toBe(world.now() + 60_000);
  });
});

describe("watching something else", () => {
  test("closes the first stream, opens the other, and stays live in between", () => {
    world.stream.opens();
    connection.watch("/jobs/a/events");
    expect(world.openStreams.map(({ url }) => url)).toEqual(["/jobs/a/events"]);
    expect(states).not.toContain("offline");
    expect(connection.status.state).toBe("live");
  });

  test("the same again changes nothing, also while it waits", () => {
    connection.watch("/events");
    expect(world.streams).toHaveLength(1);
    world.stream.fails();
    connection.watch("/events");
    expect(world.streams).toHaveLength(1);
  });

  test("what was seen on one stream is not told again by the other", () => {
    world.stream.sends("job", view(3));
    connection.watch("/jobs/a/events");
    world.stream.sends("job", view(3));
    world.stream.sends("job", view(4));
    expect(jobs).toEqual([view(3), view(4)]);
  });

  test("the network's change makes it open anew", () => {
    world.stream.opens();
    world.network = false;
    connection.distrust();
    expect(world.streams).toHaveLength(2);
    world.stream.fails();
    world.passes(1_000);
    world.stream.fails();
    expect(connection.status.state).toBe("offline");
  });

  test("a pause gives the connection back, until the page is looked at again", () => {
    world.stream.opens();
    connection.pause();
    world.passes(600_000);
    expect(world.openStreams).toHaveLength(0);
    connection.retryNow();
    world.stream.opens();
    expect(resyncs).toEqual(["opened", "opened"]);
    expect(connection.status.state).toBe("live");
  });
});
