import { beforeEach, describe, expect, test } from "vitest";
import { FakeWorld } from "../testing/fake-world";
import { type ConnectionStatus, LiveConnection, type LiveJob, type LiveProgress } from "./connection";

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
    world.source.opens();
    expect(connection.status.state).toBe("live");
    expect(resyncs).toEqual(["opened"]);
  });

  test("drops what is not newer by version and revision", () => {
    world.source.opens();
    for (const told of [view(2), view(2), view(1), view(2, 1), view(3), view(2, 9)]) world.source.sends("job", told);
    expect(jobs).toEqual([view(2), view(2, 1), view(3)]);
  });

  test("does not lose a state that its progress has overtaken", () => {
    world.source.sends("progress", { ...view(2, 3), percent: 40, message: null });
    world.source.sends("job", view(2, 0));
    world.source.sends("job", view(2, 2));
    expect(progress).toHaveLength(1);
    expect(jobs).toEqual([view(2, 0)]);
  });

  test("asks for the list again on reset and stays", () => {
    world.source.opens();
    world.source.sends("reset", { reason: "cursor too old" });
    expect(resyncs).toEqual(["opened", "reset"]);
    expect(world.sources).toHaveLength(1);
  });

  test("ignores what is no JSON and what is no job", () => {
    world.source.opens();
    world.source.sends("job", "{broken");
    world.source.sends("job", "null");
    world.source.sends("job", { id: 7 });
    expect(jobs).toEqual([]);
    expect(connection.status.state).toBe("live");
  });

  test("ends for good with its job", () => {
    world.source.opens();
    world.source.sends("end", {});
    expect(ends).toBe(1);
    world.passes(600_000);
    expect(world.sources).toHaveLength(1);
    expect(world.openSources).toHaveLength(0);
  });
});

describe("a lost stream", () => {
  test("is opened anew by us, after a wait within the ceiling, and one at a time", () => {
    world.luck = 0.5;
    world.source.opens();
    world.source.fails();
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "lost", retryAt: world.now() + 500 });
    expect(world.openSources).toHaveLength(0);
    world.passes(499);
    expect(world.sources).toHaveLength(1);
    world.passes(1);
    expect(world.openSources).toHaveLength(1);
    world.source.opens();
    expect(resyncs).toEqual(["opened", "opened"]);
    expect(connection.status.state).toBe("live");
  });

  test("waits longer with every failure, never over the cap, and is called offline after five", () => {
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      world.source.fails();
      const { retryAt } = connection.status;
      waits.push((retryAt ?? 0) - world.now());
      world.passes(waits.at(-1) ?? 0);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(connection.status.state).toBe("offline");
    world.source.opens();
    expect(connection.status.state).toBe("live");
  });

  test("is noticed by 45 s of silence, and a heartbeat is no silence", () => {
    world.source.opens();
    world.passes(40_000);
    world.source.sends("heartbeat", { at: "2026-11-24T10:00:00Z" });
    world.passes(44_000);
    expect(connection.status.state).toBe("live");
    world.passes(1_001);
    expect(connection.status.state).toBe("reconnecting");
    expect(world.sources[0]?.closed).toBe(true);
  });

  test("an opening that hangs is given up after ten seconds", () => {
    world.passes(10_001);
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "lost" });
  });

  test("says when the server was last heard", () => {
    world.source.opens();
    const heardAt = world.now();
    world.passes(20_000);
    world.source.fails();
    expect(connection.status.heardAt).toBe(heardAt);
  });

  test("what a closed source still says is not heard", () => {
    const first = world.source;
    first.fails();
    first.sends("job", view(2));
    first.opens();
    expect(jobs).toEqual([]);
    expect(connection.status.state).toBe("reconnecting");
  });

  test("is tried at once when asked, once", () => {
    world.source.fails();
    connection.retryNow();
    connection.retryNow();
    expect(world.openSources).toHaveLength(1);
    world.passes(5_000);
    expect(world.openSources).toHaveLength(1);
  });
});

describe("a server that says why", () => {
  test("bye: comes back after exactly the time it gave", () => {
    world.source.opens();
    world.source.sends("bye", { retry: 2_500 });
    expect(connection.status).toMatchObject({ state: "reconnecting", reason: "leaving", retryAt: world.now() + 2_500 });
  });

  test("busy: waits half a minute, not a second", () => {
    world.source.opens();
    world.source.sends("busy", {});
    expect(connection.status).toMatchObject({ reason: "busy", retryAt: world.now() + 30_000 });
  });

  test("a wait it gives is never longer than a minute", () => {
    world.source.sends("bye", { retry: 9e9 });
    expect(connection.status.retryAt).toBe(world.now() + 60_000);
  });
});

describe("watching something else", () => {
  test("closes the first stream, opens the other, and stays live in between", () => {
    world.source.opens();
    connection.watch("/jobs/a/events");
    expect(world.openSources.map(({ url }) => url)).toEqual(["/jobs/a/events"]);
    expect(states).not.toContain("offline");
    expect(connection.status.state).toBe("live");
  });

  test("the same again changes nothing, also while it waits", () => {
    connection.watch("/events");
    expect(world.sources).toHaveLength(1);
    world.source.fails();
    connection.watch("/events");
    expect(world.sources).toHaveLength(1);
  });

  test("what was seen on one stream is not told again by the other", () => {
    world.source.sends("job", view(3));
    connection.watch("/jobs/a/events");
    world.source.sends("job", view(3));
    world.source.sends("job", view(4));
    expect(jobs).toEqual([view(3), view(4)]);
  });

  test("the network's change makes it open anew", () => {
    world.source.opens();
    world.network = false;
    connection.distrust();
    expect(world.sources).toHaveLength(2);
    world.source.fails();
    world.passes(1_000);
    world.source.fails();
    expect(connection.status.state).toBe("offline");
  });

  test("a pause gives the connection back, until the page is looked at again", () => {
    world.source.opens();
    connection.pause();
    world.passes(600_000);
    expect(world.openSources).toHaveLength(0);
    connection.retryNow();
    world.source.opens();
    expect(resyncs).toEqual(["opened", "opened"]);
    expect(connection.status.state).toBe("live");
  });
});
