/** One event as it stood in the stream; `id` and `retry` are the ones in force when it ended. */
export interface StreamEvent {
  type: string;
  /** Empty for an event without data: a browser would not fire it, its `id` counts all the same. */
  data: string;
  id: string;
  /** Milliseconds, or null if the server has not said. */
  retry: number | null;
}

/**
 * Reads server-sent events out of text that comes in pieces (HTML standard, 9.2.6).
 *
 * Lines end with CR, LF or CRLF, and a piece may end anywhere, also between the two.
 */
export class EventParser {
  readonly #told: (event: StreamEvent) => void;
  #rest = "";
  #afterCr = false;
  #type = "";
  #data: string[] = [];
  #id: string;
  #retry: number | null = null;

  /** `id` is the last one of an earlier stream that this one goes on from. */
  constructor(told: (event: StreamEvent) => void, id = "") {
    this.#told = told;
    this.#id = id;
  }

  push(text: string): void {
    // The LF of a CRLF whose CR ended the piece before.
    if (this.#afterCr && text[0] === "\n") text = text.slice(1);
    if (text) this.#afterCr = text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === "") {
      this.#told({ type: this.#type || "message", data: this.#data.join("\n"), id: this.#id, retry: this.#retry });
      this.#type = "";
      this.#data = [];
      return;
    }
    // A comment is a field without a name. Lines end with CR and LF alone, so a value may have U+2028 in it.
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.#retry = Number(value);
  }
}
