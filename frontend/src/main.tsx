import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { worthRetrying } from "./api/queries";
import { Live, LiveProvider } from "./jobs/live-context";
import { router } from "./router";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/jobs.css";
import "./styles/job.css";
import "./styles/new-job.css";

const queries = new QueryClient({
  defaultOptions: { queries: { retry: worthRetrying, networkMode: "always" }, mutations: { networkMode: "always" } },
});
const live = new Live({ queries });
live.start();

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <LiveProvider value={live}>
        <RouterProvider router={router} />
      </LiveProvider>
    </QueryClientProvider>
  </StrictMode>,
);
