// One file, beside the page's other scripts; the page's own address is its only origin.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../src/cystgrid/page/static/viewer",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 4000,
    lib: { entry: "src/viewer.ts", formats: ["es"], fileName: () => "viewer.js" },
  },
});
