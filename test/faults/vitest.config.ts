// The fault matrix: `npm run test:faults`. Rows run side by side, each on its own devices, because most of
// their time is waiting.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/faults/*.test.ts"],
    testTimeout: 150_000,
    hookTimeout: 120_000,
    maxConcurrency: 4,
  },
});
