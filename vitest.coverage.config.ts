import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** The folders that every branch of which is tested, or excluded with a reason beside it. */
const FOLDERS = ["log", "manifest", "run", "snapshot", "recovery"];

/** `npm run test:coverage`: what it measures, and with which tests, is told in docs/testing.md. */
export default defineConfig({
  test: {
    ...base.test,
    coverage: {
      provider: "v8",
      include: FOLDERS.map((folder) => `src/${folder}/**/*.ts`),
      reporter: [["text", { skipFull: true }], "json"],
      reportOnFailure: true,
      thresholds: { branches: 100 },
    },
  },
});
