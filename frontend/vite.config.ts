import react from "@vitejs/plugin-react";
import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import { firstViewBudget } from "./build/first-view-budget.ts";

/** Everything but the page's own `/`, `/ui/…` and `/assets/…` belongs to the API (6-http-api: no prefix, no version). */
const API_PATHS =
  "^/(jobs|events|tasks|images|stats|dead-letters|batches|schedules|me|session|problems|docs|redoc|openapi\\.json)(/|\\?|$)";

const proxy = {
  [API_PATHS]: { target: process.env.API_URL ?? "http://localhost:8000", changeOrigin: false },
};

/** The event client is built from its source beside us, not from its `dist/`. */
const SOURCE = "jobstream-source";

export default defineConfig({
  resolve: { conditions: [SOURCE, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [SOURCE, ...defaultServerConditions] } },
  plugins: [react(), firstViewBudget({ maxKiB: 200 })],
  server: { port: 5173, strictPort: true, proxy },
  preview: { port: 5173, strictPort: true, proxy },
  build: { target: "es2022", assetsInlineLimit: 0 },
  // A test that draws says so itself: starting a DOM takes longer than all the others together.
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true, testTimeout: 30_000 },
});
