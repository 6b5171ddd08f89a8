import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { type LettersSearch, letterFilterOf } from "../search";
import { ApiError, call, parameters } from "./client";
import type { DeadLetter, DeadLetterPage, LetterGroups, RedriveFilter, RedrivenMany } from "./types";

/** Null of an API that does not count groups. */
export const letterGroupsQuery = queryOptions({
  queryKey: ["dead-letters", "groups"],
  queryFn: async ({ signal }) => {
    try {
      return await call<LetterGroups>("/dead-letters/groups", { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },
  refetchInterval: 5_000,
});

export const lettersQuery = (search: LettersSearch) =>
  infiniteQueryOptions({
    queryKey: ["dead-letters", "list", search],
    queryFn: ({ pageParam, signal }) => {
      const query = parameters({
        ...letterFilterOf(search, Date.now()),
        ...(pageParam && { cursor: pageParam }),
      });
      return call<DeadLetterPage>(`/dead-letters?${query}`, { signal });
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const letterQuery = (id: string) =>
  queryOptions({
    queryKey: ["dead-letter", id],
    queryFn: ({ signal }) => call<DeadLetter>(`/dead-letters/${encodeURIComponent(id)}`, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });

interface RedriveWay {
  dryRun?: boolean;
  /** Jobs a second; null: at once. */
  rate?: number | null;
}

/**
 * Redrives the jobs of all letters that pass. A call works for ten seconds and is then asked again for what is left: those
 * it has redriven are not failed any more, so each counts as redriven once, and the last answer says what was skipped.
 */
export async function redriveLetters(filter: RedriveFilter, { dryRun, rate }: RedriveWay = {}): Promise<RedrivenMany> {
  const body = { filter, ...(dryRun && { dry_run: true }), ...(rate && { rate_per_second: rate }) };
  let redriven = 0;
  for (;;) {
    const answer = await call<RedrivenMany>("/dead-letters/redrive", { method: "POST", body });
    redriven += answer.redriven;
    const skipped = answer.matched - redriven;
    if (dryRun || answer.complete) return { ...answer, redriven, skipped: Math.max(0, skipped) };
    // A rate begins anew with each call: what is left would be let loose beside what still waits.
    if (rate) return { ...answer, redriven };
  }
}
