import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Request {
  url: string;
  lastEventId: string | undefined;
  headers: IncomingMessage["headers"];
  answer: ServerResponse;
  /** Starts the stream and writes what stands in it. */
  streams(text?: string): void;
  /** Resets the connection, as a dying server does. */
  breaks(): void;
}

/** An HTTP server on a socket of its own that keeps what it was asked; the test answers. */
export async function serve(onRequest: (request: Request, nth: number) => void) {
  const requests: Request[] = [];
  const server = createServer((incoming, answer) => {
    const request: Request = {
      url: incoming.url ?? "",
      lastEventId: incoming.headers["last-event-id"] as string | undefined,
      headers: incoming.headers,
      answer,
      streams: (text = "") => {
        if (!answer.headersSent) answer.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
        answer.write(text || ":\n\n");
      },
      breaks: () => incoming.socket.resetAndDestroy(),
    };
    requests.push(request);
    onRequest(request, requests.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    requests,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Waits until something holds; says what was seen instead when it does not within five seconds. */
export async function until<T>(look: () => T, holds: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const seen = look();
    if (holds(seen)) return seen;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(seen)} after 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
