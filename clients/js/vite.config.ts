import { gzipSync } from "node:zlib";
import { defineConfig } from "vitest/config";

const MOST = 3 * 1024;

/** The build is for its size alone: the library as a page would bundle it, refused over 3 KiB. `dist/` is the compiler's. */
export default defineConfig({
  build: {
    rolldownOptions: { input: "src/index.ts", preserveEntrySignatures: "strict" },
    write: false,
    target: "es2022",
  },
  plugins: [
    {
      name: "size-budget",
      apply: "build",
      generateBundle(_options, bundle) {
        const code = Object.values(bundle).map((file) => (file.type === "chunk" ? file.code : ""));
        const size = gzipSync(code.join("")).length;
        console.log(`jobstream-events, gzip: ${size.toLocaleString("en")} bytes of ${MOST.toLocaleString("en")}`);
        if (size > MOST) this.error(`the library has ${size} bytes after gzip, over ${MOST}`);
      },
    },
  ],
  test: { include: ["test/**/*.test.ts"] },
});
