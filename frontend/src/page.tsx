import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type RouterHistory, RouterProvider } from "@tanstack/react-router";
import { browser, type Surroundings } from "jobstream-events";
import { worthRetrying } from "./api/queries";
import { Live, LiveProvider } from "./jobs/live-context";
import { createPageRouter } from "./router";

interface PageParts {
  world?: Surroundings;
  history?: RouterHistory;
  retry?: boolean;
}

/** Puts the page together: what reads, what listens, what is shown. Nothing connects until `start`. */
export function createPage({ world = browser(), history, retry = true }: PageParts = {}) {
  // Always "online": the browser's own opinion is wrong for a server on this machine.
  const queries = new QueryClient({
    defaultOptions: {
      queries: { retry: retry && worthRetrying, networkMode: "always" },
      mutations: { networkMode: "always" },
    },
  });
  const live = new Live({ queries, world });
  const router = createPageRouter(history);
  const element = (
    <QueryClientProvider client={queries}>
      <LiveProvider value={live}>
        <RouterProvider router={router} />
      </LiveProvider>
    </QueryClientProvider>
  );
  return { element, router, start: () => live.start() };
}
