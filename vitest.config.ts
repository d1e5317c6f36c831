import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take a minute or more begin first: one of them at the end would have a core to itself. */
const LONG = ["crash/short-lives", "worlds/", "sim/engine-", "sweep/", "corruption/", "kernel/"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONG.findIndex((part) => moduleId.includes(`/test/${part}`));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Against what hangs: on a busy machine a minute is not enough for what takes seconds here.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Two cores: more workers than that only make the timing of the crash tests worse.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // A worker loads and compiles the source once, not once a file: that was a fifth of the processor
    // time of the suite. So nothing that a file changes in the process may outlive it.
    isolate: false,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    // Stores that are opened by the thousand leave young garbage: with the default of 16 MiB a seventh
    // of the time of the small worlds was its collection.
    execArgv: ["--max-semi-space-size=64"],
  },
});
