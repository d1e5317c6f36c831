import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** Every branch of these is taken by a test, or excluded with a reason beside it. */
const FOLDERS = ["log", "manifest", "run", "snapshot", "recovery"];

/** `npm run test:coverage`: docs/testing.md tells what it measures. */
export default defineConfig({
  test: {
    ...base.test,
    include: [
      ...[...FOLDERS, "store", "regressions"].map((folder) => `test/${folder}/**/*.test.ts`),
      "test/cli/salvage*.test.ts",
      "test/history/annotations.test.ts",
      "test/sim/engine-{a,b}.test.ts",
    ],
    coverage: {
      provider: "v8",
      include: FOLDERS.map((folder) => `src/${folder}/**/*.ts`),
      reporter: ["json"],
      reportOnFailure: true,
    },
  },
});
