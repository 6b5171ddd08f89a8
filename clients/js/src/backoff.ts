/**
 * How long to wait before the next try: exponential with full jitter, so that a thousand pages do not come back at once.
 *
 * The ceiling is `base` after the first failure in a row and doubles with each further one, up to `cap` (milliseconds).
 */
export function backoffDelay(failures: number, random: () => number, base = 1_000, cap = 30_000): number {
  return Math.round(random() * Math.min(cap, base * 2 ** Math.max(0, failures - 1)));
}
