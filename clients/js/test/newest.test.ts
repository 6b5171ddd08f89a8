import { expect, test } from "vitest";
import { Newest } from "../src/newest.ts";

test("a move resets the revision, and is newer all the same", () => {
  const newest = new Newest();
  expect(newest.acceptView("a", { version: 2, revision: 9 })).toBe(true);
  expect(newest.acceptView("a", { version: 3, revision: 0 })).toBe(true);
  expect(newest.acceptView("a", { version: 2, revision: 10 })).toBe(false);
});

test("jobs do not disturb each other", () => {
  const newest = new Newest();
  newest.acceptView("a", { version: 5, revision: 0 });
  expect(newest.acceptView("b", { version: 1, revision: 0 })).toBe(true);
});

test("remembers no more than its limit, the least used forgotten first", () => {
  const newest = new Newest(2);
  newest.acceptView("a", { version: 1, revision: 0 });
  newest.acceptView("b", { version: 1, revision: 0 });
  newest.acceptView("a", { version: 2, revision: 0 });
  newest.acceptView("c", { version: 1, revision: 0 });
  expect(newest.acceptView("a", { version: 2, revision: 0 })).toBe(false);
  expect(newest.acceptView("b", { version: 1, revision: 0 })).toBe(true);
});
