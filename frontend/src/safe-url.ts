/** Links and pictures come from other people's answers: only the web's own schemes pass, never `javascript:` or `data:`. */

/** A link to elsewhere, or null. */
export function safeLink(url: unknown): string | null {
  if (typeof url !== "string") return null;
  try {
    const { protocol, href } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? href : null;
  } catch {
    return null;
  }
}

const OWN_PICTURE = /^\/images\/[A-Za-z0-9._-]+$/;

/** Where a picture may be loaded from: another server, or the API's own `/images/…`. */
export function safePicture(url: unknown): string | null {
  return typeof url === "string" && OWN_PICTURE.test(url) ? url : safeLink(url);
}
