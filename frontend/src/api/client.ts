import type { Problem } from "./types";

/** The API refused: its problem+json says why. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: Problem;
  readonly retryAfter: number | null;

  constructor(problem: Problem, retryAfter: number | null) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** No answer came: the network, the server or its proxy is away. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";

  constructor() {
    super("The server did not answer.");
  }
}

/** Query parameters: a list repeats its name, and what is not set is left out. */
export function parameters(values: object): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  return query;
}

const DEADLINE = 20_000;

interface Call {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Calls the API and gives its JSON; `undefined` for an empty answer. */
export async function call<T>(path: string, { method = "GET", body, headers, signal }: Call = {}): Promise<T> {
  const deadline = AbortSignal.timeout(DEADLINE);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { accept: "application/json", ...(body === undefined ? {} : JSON_BODY), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new UnreachableError();
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;

  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  throw new ApiError(await problemOf(response), Number.isFinite(retryAfter) ? retryAfter : null);
}

const JSON_BODY = { "content-type": "application/json" };

/** What is wrong, also when something between us and the API answered in its stead, in HTML perhaps. */
async function problemOf(response: Response): Promise<Problem> {
  const unreadable: Problem = {
    type: "about:blank",
    title: response.status >= 500 ? "The server is not ready" : `Refused with status ${response.status}`,
    status: response.status,
  };
  if (!response.headers.get("content-type")?.includes("json")) return unreadable;
  try {
    return { ...unreadable, ...((await response.json()) as Partial<Problem>), status: response.status };
  } catch {
    return unreadable;
  }
}

/** One sentence for a person, whatever went wrong. */
export function explain(error: unknown): string {
  if (error instanceof ApiError || error instanceof UnreachableError) return error.message;
  return "Something unexpected happened in this page.";
}
