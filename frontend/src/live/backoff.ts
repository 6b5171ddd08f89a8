/** How long to wait before the next try: exponential with full jitter, so that a thousand pages do not come back at once. */
export interface Backoff {
  /** The ceiling of the first wait, in milliseconds; it doubles with every failure. */
  base: number;
  /** No wait is longer. */
  cap: number;
}

export const DEFAULT_BACKOFF: Backoff = { base: 1_000, cap: 30_000 };

/** The wait after `failures` failures in a row (1 = the first), anywhere from zero to the ceiling. */
export function backoffDelay(failures: number, random: () => number, { base, cap }: Backoff = DEFAULT_BACKOFF): number {
  const ceiling = Math.min(cap, base * 2 ** Math.max(0, failures - 1));
  return Math.round(random() * ceiling);
}
