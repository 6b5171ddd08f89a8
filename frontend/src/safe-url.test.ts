import { expect, test } from "vitest";
import { safeLink, safePicture } from "./safe-url";

test("links go to the web only", () => {
  expect(safeLink("https://example.org/a")).toBe("https://example.org/a");
  for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "/local", "", null, 7]) {
    expect(safeLink(bad)).toBeNull();
  }
});

test("pictures come from the web or from our own /images", () => {
  expect(safePicture("/images/0a1b")).toBe("/images/0a1b");
  for (const bad of ["/images/../jobs", "/images/a/b", "//evil.example/x.png", "blob:x", "/jobs/1"]) {
    expect(safePicture(bad)).toBeNull();
  }
});
