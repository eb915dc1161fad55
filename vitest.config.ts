// Tests mirror the folders. Files run one after another: they measure time on the machine they share.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/peers/**", "test/faults/**", "node_modules/**"],
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // What a page shows a moment later may take longer on a busy machine; tests of promptness measure it themselves.
    expect: { poll: { timeout: 8000 } },
    fileParallelism: false,
  },
});
