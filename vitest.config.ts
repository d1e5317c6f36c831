import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only make the timing of the crash tests worse.
    maxWorkers: 2,
    // Stores that are opened by the thousand leave young garbage: with the default of 16 MiB a seventh
    // of the time of the small worlds was its collection.
    execArgv: ["--max-semi-space-size=64"],
  },
});
