import { useSyncExternalStore } from "react";

/** One ticking clock for the whole page, so that all ages change together; it stands still when nobody looks. */
class Clock {
  readonly #listeners = new Set<() => void>();
  readonly #period: number;
  #timer: ReturnType<typeof setInterval> | null = null;
  #tick = Date.now();

  constructor(period: number) {
    this.#period = period;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => {
      if (document.visibilityState === "hidden") return;
      this.#tick = Date.now();
      for (const each of this.#listeners) each();
    }, this.#period);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0 && this.#timer !== null) {
        clearInterval(this.#timer);
        this.#timer = null;
      }
    };
  };

  readonly now = (): number => {
    // A snapshot must not change between two ticks, but after a pause the last tick is long gone.
    if (Date.now() - this.#tick > 2 * this.#period) this.#tick = Date.now();
    return this.#tick;
  };
}

const slow = new Clock(1_000);
const fast = new Clock(200);
const never = { subscribe: () => () => {}, now: () => 0 };

let offset = 0;

/** The server's clock, from a heartbeat. A difference under two seconds is the way the message took. */
export function noteServerTime(at: number): void {
  const difference = at - Date.now();
  offset = Math.abs(difference) > 2_000 ? difference : 0;
}

/** Now by the server's clock, as ages are measured against its timestamps. Draws again every second, or 200 ms. */
export function useNow(pace: "slow" | "fast" | "never" = "slow"): number {
  const clock = pace === "fast" ? fast : pace === "slow" ? slow : never;
  return useSyncExternalStore(clock.subscribe, clock.now) + offset;
}
