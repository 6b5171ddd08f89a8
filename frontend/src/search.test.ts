import { expect, test } from "vitest";
import { parseSearch, readJobsSearch, stringifySearch } from "./search";

test("the filter survives the way through the URL, as a person would write it", () => {
  const search = { state: ["failed", "running"], tag: ["a&b"], q: "fog" };
  const text = stringifySearch(search);
  expect(text).toBe("?state=failed&state=running&tag=a%26b&q=fog");
  expect(readJobsSearch(parseSearch(text))).toEqual({ state: ["running", "failed"], tag: ["a&b"], q: "fog" });
});

test("what makes no sense in a URL is left out", () => {
  expect(readJobsSearch(parseSearch("?state=lost&tag=&task=x&page=3"))).toEqual({ task: "x" });
});
