import type { Job, Json } from "../api/types";
import { safeLink, safePicture } from "../safe-url";

export interface Picture {
  key: string;
  /** The provider's own id of it. */
  id: string;
  width: number;
  height: number;
  colour: string;
  blurHash: string | null;
  alt: string;
  small: string;
  large: string;
  /** All sizes with their widths, for the browser to choose from; null if there is but one. */
  sizes: string | null;
  original: string;
  author: { name: string; url: string | null };
  provider: { name: string; url: string | null };
  /** Under which it may be shown; null where its provider has one for all. */
  licence: { name: string; url: string | null } | null;
  /** Where it was published first. */
  source: string | null;
  /** Its provider wants to know when a person takes it. */
  reported: boolean;
  drawn: boolean;
  /** The provider's own line about it. */
  credit: string;
}

type Fields = { [key: string]: Json };

const fields = (value: Json | undefined): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const size = (value: Json | undefined): number => (typeof value === "number" && value > 0 && value < 1e6 ? value : 0);

/** The pictures of an `image.search` result that can be shown; null if it is no such result. */
export function readPictures(job: Job, result: Json): Picture[] | null {
  const { images } = fields(result);
  if (job.task !== "image.search" || !Array.isArray(images)) return null;
  return images.flatMap((image, index) => readPicture(fields(image), index) ?? []);
}

function readPicture(image: Fields, index: number): Picture | null {
  const urls = fields(image.urls);
  const [thumb, small, regular, full, raw] = [urls.thumb, urls.small, urls.regular, urls.full, urls.raw].map(
    safePicture,
  );
  const width = size(image.width);
  const height = size(image.height);
  const any = small ?? regular ?? full ?? raw;
  if (!any || !width || !height) return null;
  const author = fields(image.author);
  const attribution = fields(image.attribution);
  return {
    key: `${index}-${text(image.id)}`,
    id: text(image.id),
    width,
    height,
    colour: /^#[0-9a-f]{6}$/i.test(text(image.color)) ? text(image.color) : "#888888",
    blurHash: text(image.blur_hash) || null,
    alt: text(image.alt) || "Picture without a description",
    small: small ?? any,
    large: regular ?? full ?? any,
    sizes: sizesOf([thumb, small, regular]),
    original: full ?? raw ?? regular ?? any,
    author: { name: text(author.name) || "Unknown", url: safeLink(author.url) },
    provider: {
      name: text(attribution.provider_name) || text(attribution.text),
      url: safeLink(attribution.provider_url),
    },
    licence: text(attribution.license)
      ? { name: text(attribution.license), url: safeLink(attribution.license_url) }
      : null,
    source: safeLink(attribution.source_url),
    reported: text(image.download_location) !== "",
    drawn: image.drawn === true,
    credit: text(attribution.text),
  };
}

/** The widths that the task promises of its sizes; a small picture has the same address for several. */
const WIDTHS = [200, 400, 1080];

function sizesOf(addresses: (string | null | undefined)[]): string | null {
  const widthOf = new Map<string, number>();
  addresses.forEach((address, index) => {
    // In a list of addresses a comma at the end of one belongs to the list.
    if (address && !address.endsWith(",")) widthOf.set(address, widthOf.get(address) ?? WIDTHS[index] ?? 0);
  });
  return widthOf.size > 1 ? [...widthOf].map(([address, width]) => `${address} ${width}w`).join(", ") : null;
}

export interface Placed<T> {
  item: T;
  width: number;
  height: number;
}

/**
 * Rows of pictures that fill `width` exactly, each near `target` high, none cropped.
 *
 * A last row that is not full is as high as the one above instead of being blown up.
 */
export function justify<T extends { width: number; height: number }>(
  items: readonly T[],
  { width, target, gap }: { width: number; target: number; gap: number },
): Placed<T>[][] {
  const rows: Placed<T>[][] = [];
  let row: T[] = [];
  let ratios = 0;
  const close = (height: number) => {
    rows.push(row.map((item) => ({ item, width: (item.width / item.height) * height, height })));
    row = [];
    ratios = 0;
  };
  const heightOf = (count: number, sum: number) => (width - gap * (count - 1)) / sum;
  for (const item of items) {
    const ratio = item.width / item.height;
    const without = heightOf(row.length, ratios);
    const withIt = heightOf(row.length + 1, ratios + ratio);
    // One picture fewer may come nearer to the target than one too many.
    if (row.length > 0 && withIt < target && without - target < target - withIt) close(without);
    row.push(item);
    ratios += ratio;
    const height = heightOf(row.length, ratios);
    if (height <= target) close(height);
  }
  if (row.length)
    close(Math.min(target, rows.at(-1)?.[0]?.height ?? target, (width - gap * (row.length - 1)) / ratios));
  return rows;
}
