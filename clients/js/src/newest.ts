/** Where a job stands in its own history; every event carries both numbers. */
export interface Position {
  version: number;
  revision: number;
}

interface Seen {
  view: Position;
  latest: Position;
}

/** Orders two positions of one job: a move raises `version` and sets `revision` back to 0. */
export function comparePositions(a: Position, b: Position): number {
  return a.version - b.version || a.revision - b.revision;
}

/**
 * Remembers the newest position seen of each job and refuses what is not newer.
 *
 * Whole views and progress are told apart: progress that overtook its `running` view must not make us drop that view,
 * or the page would never learn the state.
 */
export class Newest {
  readonly #seen = new Map<string, Seen>();
  readonly #limit: number;

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** True, once, for a whole view that says something new. */
  acceptView(id: string, position: Position): boolean {
    const seen = this.#seen.get(id);
    if (seen && position.version <= seen.view.version && comparePositions(position, seen.latest) <= 0) return false;
    const latest = seen && comparePositions(seen.latest, position) > 0 ? seen.latest : position;
    this.#remember(id, { view: position, latest });
    return true;
  }

  /** True, once, for progress newer than anything seen of its job. */
  acceptProgress(id: string, position: Position): boolean {
    const seen = this.#seen.get(id);
    if (seen && comparePositions(position, seen.latest) <= 0) return false;
    this.#remember(id, { view: seen?.view ?? { version: 0, revision: 0 }, latest: position });
    return true;
  }

  #remember(id: string, seen: Seen): void {
    // Re-inserting keeps the map in order of use, so that the first key is the one to forget.
    this.#seen.delete(id);
    this.#seen.set(id, seen);
    if (this.#seen.size > this.#limit) {
      const oldest = this.#seen.keys().next().value;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
  }
}
