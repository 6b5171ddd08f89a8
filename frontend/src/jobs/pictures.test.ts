import { expect, test } from "vitest";
import { aJob } from "../testing/jobs";
import { justify, readPictures } from "./pictures";

const image = {
  id: "1",
  width: 300,
  height: 200,
  color: "#aabbcc",
  blur_hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
  alt: "A lake",
  urls: {
    full: "/images/ab12",
    regular: "/images/ab12",
    small: "https://images.example/1?w=400",
    thumb: "/images/ab12",
  },
  author: { name: "Mira", url: "https://example.org/@mira" },
  attribution: { text: "…", provider_name: "Unsplash", provider_url: "https://unsplash.com/" },
  drawn: false,
};
const job = aJob(1);

test("rows fill the width exactly and keep every ratio", () => {
  const rows = justify(
    [3 / 2, 2 / 3, 1, 16 / 9, 3 / 2].map((ratio) => ({ width: ratio * 100, height: 100 })),
    { width: 800, target: 220, gap: 10 },
  );
  for (const row of rows.slice(0, -1)) {
    expect(row.reduce((sum, one) => sum + one.width, 10 * (row.length - 1))).toBeCloseTo(800);
  }
  for (const { item, width, height } of rows.flat()) expect(width / height).toBeCloseTo(item.width / item.height);
});

test("a last row that is not full is not blown up", () => {
  const rows = justify([{ width: 100, height: 100 }], { width: 800, target: 220, gap: 10 });
  expect(rows[0]?.[0]).toMatchObject({ width: 220, height: 220 });
});

test("a picture is read with the names that must stand under it", () => {
  expect(readPictures(job, { images: [image] })?.[0]).toMatchObject({
    small: "https://images.example/1?w=400",
    large: "/images/ab12",
    author: { name: "Mira", url: "https://example.org/@mira" },
    provider: { name: "Unsplash" },
  });
});

test("the browser is given each size once, with its width", () => {
  const sizesOf = (urls: object) => readPictures(job, { images: [{ ...image, urls: { ...urls } }] })?.[0]?.sizes;
  expect(sizesOf({ thumb: "/images/a", small: "/images/b", regular: "/images/c", full: "/images/c" })).toBe(
    "/images/a 200w, /images/b 400w, /images/c 1080w",
  );
  expect(sizesOf({ thumb: "/images/a", small: "/images/b", regular: "/images/b", full: "/images/b" })).toBe(
    "/images/a 200w, /images/b 400w",
  );
  expect(sizesOf({ thumb: "/images/a", small: "/images/a", regular: "/images/a", full: "/images/a" })).toBeNull();
  expect(sizesOf({ thumb: "https://a.example/1,", small: "https://a.example/2?c=1,2", regular: "/images/c" })).toBe(
    "https://a.example/2?c=1,2 400w, /images/c 1080w",
  );
});

test("licence and source are read as they must be shown, and no other links", () => {
  const attribution = {
    ...image.attribution,
    license: "CC BY 2.0",
    license_url: "https://creativecommons.org/licenses/by/2.0/",
    source_url: "http://museum.example/1",
  };
  expect(readPictures(job, { images: [{ ...image, attribution }] })?.[0]).toMatchObject({
    licence: { name: "CC BY 2.0", url: "https://creativecommons.org/licenses/by/2.0/" },
    source: "http://museum.example/1",
    reported: false,
  });
  const bad = { ...attribution, license_url: "javascript:alert(1)", source_url: "data:text/html,x" };
  expect(readPictures(job, { images: [{ ...image, attribution: bad }] })?.[0]).toMatchObject({
    licence: { name: "CC BY 2.0", url: null },
    source: null,
  });
  expect(readPictures(job, { images: [image] })?.[0]?.licence).toBeNull();
});

test("addresses that are no web addresses are not used", () => {
  const bad = {
    ...image,
    urls: { small: "javascript:alert(1)", regular: "data:text/html,x", full: "//evil.example/x", raw: "/jobs/1" },
    author: { name: "<b>Mira</b>", url: "javascript:alert(1)" },
  };
  expect(readPictures(job, { images: [bad] })).toEqual([]);
  const author = readPictures(job, { images: [{ ...bad, urls: image.urls }] })?.[0]?.author;
  expect(author).toEqual({ name: "<b>Mira</b>", url: null });
});

test("what is no result of image.search is no gallery", () => {
  expect(readPictures(aJob(1, { task: "sleep" }), { images: [image] })).toBeNull();
  expect(readPictures(job, { images: "none" })).toBeNull();
  expect(readPictures(job, { images: [null, 7, {}] })).toEqual([]);
});
