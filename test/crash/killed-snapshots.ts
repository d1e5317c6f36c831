/** The snapshots of a store whose process is killed: which must be there, and which may be. */
import assert from "node:assert/strict";
import type { SnapshotInfo } from "../../src/index.js";

interface Known<Mark> {
  readonly stage: "wanted" | "made" | "dropping";
  /** What was acknowledged before it was asked for. */
  readonly mark: Mark;
  readonly sequence: number | undefined;
}

export class KilledSnapshots<Mark> {
  readonly #known = new Map<string, Known<Mark>>();

  /** A line of snapshots.mjs; false for a line of something else. `mark` is what is known by now. */
  line(line: string, mark: () => Mark): boolean {
    const match = /^(wanted|made|dropping|dropped) (\S+) ?(\d+)?$/.exec(line);
    if (match === null) return false;
    const [, what, name, sequence] = match as unknown as [string, string, string, string?];
    const before = this.#known.get(name);
    if (what === "wanted") {
      this.#known.set(name, { stage: "wanted", mark: mark(), sequence: undefined });
    } else if (what === "made") {
      assert.ok(before !== undefined, `${name} was asked for`);
      this.#known.set(name, { ...before, stage: "made", sequence: Number(sequence) });
    } else if (what === "dropping") {
      assert.ok(before !== undefined, `${name} is there`);
      this.#known.set(name, { ...before, stage: "dropping" });
    } else this.#known.delete(name);
    return true;
  }

  /** Holds what is there against what was said; gives each with its mark. */
  found(there: readonly SnapshotInfo[]): { readonly info: SnapshotInfo; readonly mark: Mark }[] {
    const names = new Set(there.map(({ name }) => name));
    for (const [name, { stage }] of this.#known) {
      assert.ok(stage !== "made" || names.has(name), `snapshot ${name} is gone`);
      if (!names.has(name)) this.#known.delete(name);
    }
    return there.map((info) => {
      const known = this.#known.get(info.name);
      assert.ok(known !== undefined, `snapshot ${info.name} was dropped, or never asked for`);
      const { sequence = info.sequence, mark } = known;
      assert.equal(info.sequence, sequence, `the sequence of snapshot ${info.name}`);
      this.#known.set(info.name, { stage: "made", mark, sequence });
      return { info, mark };
    });
  }
}
