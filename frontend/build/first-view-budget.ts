import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

/** Prints what a first visit downloads in script, gzipped, and fails the build over the budget. */
export function firstViewBudget({ maxKiB }: { maxKiB: number }): Plugin {
  return {
    name: "first-view-budget",
    apply: "build",
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((file): file is Rollup.OutputChunk => file.type === "chunk");
      const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
      const needed = new Set<string>();
      const need = (name: string): void => {
        const chunk = byName.get(name);
        if (!chunk || needed.has(name)) return;
        needed.add(name);
        chunk.imports.forEach(need);
      };
      for (const chunk of chunks) if (chunk.isEntry) need(chunk.fileName);

      const kib = (names: Iterable<string>) =>
        [...names].reduce((sum, name) => sum + gzipSync(byName.get(name)?.code ?? "").length, 0) / 1024;
      const first = kib(needed);
      const all = kib(byName.keys());
      console.log(
        `\nscript, gzip: first view ${first.toFixed(1)} KiB of ${maxKiB} KiB, whole page ${all.toFixed(1)} KiB`,
      );
      if (first > maxKiB) this.error(`the first view needs ${first.toFixed(1)} KiB of script, over ${maxKiB} KiB`);
    },
  };
}
