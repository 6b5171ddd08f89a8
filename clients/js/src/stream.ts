import { EventParser, type StreamEvent } from "./parser.ts";

/** Who is told what happens on one stream; after `onClose`, or after it was closed from here, nothing more comes. */
export interface StreamListener {
  onOpen(): void;
  onEvent(event: StreamEvent): void;
  /** It is over, whoever ended it. `retryAfter`: what the refusing answer asked for, in milliseconds. */
  onClose(retryAfter: number | null): void;
}

/** Opens a stream that goes on after `lastEventId`; returns what closes it. */
export type OpenStream = (url: string, lastEventId: string, listener: StreamListener) => () => void;

/**
 * Streams over `fetch` instead of EventSource, which cannot send `Last-Event-ID` (nor any other header) when it is made
 * anew, and dies for good of any status but 200.
 */
export function overFetch(headers: Readonly<Record<string, string>> = {}): OpenStream {
  return (url, lastEventId, { onOpen, onEvent, onClose }) => {
    const abort = new AbortController();
    const { signal } = abort;
    const read = async (): Promise<number | null> => {
      const answer = await fetch(url, {
        headers: { ...headers, accept: "text/event-stream", ...(lastEventId && { "last-event-id": lastEventId }) },
        cache: "no-store",
        signal,
      });
      if (
        answer.status !== 200 ||
        !answer.body ||
        !/^text\/event-stream\b/i.test(answer.headers.get("content-type") ?? "")
      ) {
        abort.abort();
        const seconds = Number(answer.headers.get("retry-after"));
        return seconds > 0 ? seconds * 1_000 : null;
      }
      onOpen();
      const parser = new EventParser((event) => signal.aborted || onEvent(event), lastEventId);
      const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await text.read();
        if (done) return null;
        parser.push(value);
      }
    };
    let closed = false;
    const over = (retryAfter: number | null) => closed || onClose(retryAfter);
    // Whatever broke it, the cure is the same: a new one.
    read().then(over, () => over(null));
    return () => {
      closed = true;
      abort.abort();
    };
  };
}
