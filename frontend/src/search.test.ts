import { expect, test } from "vitest";
import { filterOf, parseSearch, readJobsSearch, stringifySearch } from "./search";

test("the filter survives the way through the URL, as a person would write it", () => {
  const search = { state: ["failed", "running"], tag: ["a&b"], q: "fog" };
  const text = stringifySearch(search);
  expect(text).toBe("?state=failed&state=running&tag=a%26b&q=fog");
  expect(readJobsSearch(parseSearch(text))).toEqual({ state: ["running", "failed"], tag: ["a&b"], q: "fog" });
});

test("what makes no sense in a URL is left out", () => {
  expect(readJobsSearch(parseSearch("?state=lost&tag=&task=x&page=3&created_after=soon"))).toEqual({ task: "x" });
});

test("a time may be a moment or a span before now", () => {
  const search = readJobsSearch(parseSearch("?created_after=1h&created_before=2026-11-24T10:00:00Z"));
  const filter = filterOf(search, Date.parse("2026-11-24T12:00:00Z"));
  expect(filter).toEqual({
    state: [],
    tag: [],
    created_after: "2026-11-24T11:00:00.000Z",
    created_before: "2026-11-24T10:00:00.000Z",
  });
});
