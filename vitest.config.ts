// Tests mirror the folders. Those that drive agents run one file after another: they measure time on the machine they share. The others, and
// the kernels' own tests, which mostly compile and emulate, run side by side before them.
import { defineConfig } from "vitest/config";

const pure = ["test/{behaviour,candidates,reports,search}/**/*.test.ts", "test/kernels*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // What a page shows a moment later may take longer on a busy machine; tests of promptness measure it themselves.
    expect: { poll: { timeout: 8000 } },
    projects: [
      { extends: true, test: { name: "pure", include: pure, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: "machine",
          include: ["test/{profilers,runner}/**/*.test.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
