import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** With what takes too long for every change, or was not seen to pass often enough: docs/testing.md. */
export default defineConfig({
  test: { ...base.test, include: ["test/**/*.test.ts", "test/**/*.nightly.ts"] },
});
