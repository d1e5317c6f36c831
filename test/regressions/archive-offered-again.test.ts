/**
 * An archive was made, and publishing it failed, so that a manifest with it might have been in force.
 * Making it once more began with cutting the file to nothing: a crash then left a store that names an
 * archive which is not whole. And the name counted as one given up: archiving stopped for good.
 */
import { expect, test } from "vitest";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, fill, idle, openOn } from "../support/simulated-store.js";

test.each(["write", "sync", "read"] as const)(
  "an archive whose publication failed with a %s stays as it is, and is published later",
  async (operation) => {
    let failures = 0;
    for (let at = 1; at <= 24; at++) {
      const machine = new SimulatedMachine({ seed: at });
      const warnings: string[] = [];
      const options = { history: "all", recoveryBudgetMillis: 60_000 } as const;
      const store = await openOn(machine, {
        ...options,
        onWarning: ({ message }) => void warnings.push(message),
      });
      await fill(machine, store, 0, 30, 3000);
      const begun = machine.addFault({
        // What each making of one begins with.
        operation: "remove",
        path: ".archive",
        stallMicros: 1,
        times: Number.POSITIVE_INFINITY,
      });
      machine.addFault({ operation, path: "manifest", error: "EIO", at });
      await machine.run(store.flush()).catch(() => {});
      await idle(machine, 10_000);
      const { archives, archiveFiles } = store.stats().background;
      if (store.stats().state !== "open") continue;
      if (!warnings.some((message) => message.startsWith("archiving"))) continue;
      failures++;
      expect(archives, warnings.join("; ")).toMatchObject({ halted: false, error: undefined });
      expect(archiveFiles).toBeGreaterThan(0);
      expect(begun.fired).toBe(archiveFiles);
      for (let id = 1; id <= archiveFiles; id++) {
        expect(machine.files()).toContain(`${DIRECTORY}/${archiveFileName(id)}`);
      }
    }
    expect(failures).toBeGreaterThan(0);
  },
);
