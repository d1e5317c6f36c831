/** The directory of an open store is taken away: its next change of the manifest says so, and makes none. */
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Backend, defineTable, integer, open } from "../../src/index.js";
import { realDisks } from "../support/disks.js";
import { faultsOf } from "../support/fault-matrix.js";

const countFault = faultsOf("directory-gone");
const GONE = "the next change of the manifest is refused, no new directory";
const rows = defineTable({
  name: "rows",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});

describe.each([...realDisks().keys()])("on %s", (name) => {
  const backend = name.replace("native/", "") as Backend;

  test.each(["removed", "renamed"] as const)("a directory that is %s", async (how) => {
    const parent = await mkdtemp(join(tmpdir(), "holdfast-gone-"));
    const directory = join(parent, "store");
    try {
      const options = { backend, tables: [rows], segmentBytes: 65_536, onWarning: () => {} };
      const store = await open(directory, options);
      await store.table(rows).put(1, { value: 1 });
      if (how === "removed") await rm(directory, { recursive: true, maxRetries: 5 });
      else await rename(directory, `${directory}-moved`);
      const code = expect.stringMatching(/^(MISSING_FILE|IO|FENCED|POISONED|OUTCOME_UNKNOWN)$/);
      await expect(store.flush()).rejects.toMatchObject({ code });
      await store.close().catch((error: unknown) => expect(error).toMatchObject({ code }));
      expect(existsSync(directory)).toBe(false);
      countFault(`62 directory ${how}`, backend, GONE);
    } finally {
      await rm(parent, { recursive: true });
    }
  });
});
