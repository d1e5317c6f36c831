/** One back end of the power losses: a file for each, so that they run side by side. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { diskOf, type KillBackend } from "../crash/disks.js";
import { ensureBuilt } from "../support/built.js";
import { type FaultRow, recordFaults } from "../support/fault-matrix.js";
import { LoopImage, type LoopImageOptions } from "../support/loop-image.js";
import { PowerFigures, PowerLosses } from "./power-loss.js";

/** Set by scripts/test-kernel.mjs. */
const { HOLDFAST_POWER_LOSSES: countText = "170", HOLDFAST_POWER_SEED: seedText } = process.env;
const count = Number(countText);

interface Place {
  readonly name: string;
  readonly losses: number;
  readonly image: LoopImageOptions;
}

const few = Math.ceil(count / 10);
const PLACES: readonly Place[] = [
  { name: "ext4", losses: count - 2 * few, image: { megabytes: 64 } },
  {
    name: "ext4 with data=journal",
    losses: 2 * few,
    image: { megabytes: 64, mountOptions: "data=journal" },
  },
  { name: "xfs", losses: 2 * few, image: { fileSystem: "xfs", megabytes: 320 } },
];

export function powerLossSuite(backend: KillBackend): void {
  const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedText);
  const rows: FaultRow[] = [];
  const lines: string[] = [];
  let image: LoopImage | undefined;
  beforeAll(ensureBuilt);
  afterEach(() => {
    image?.remove();
    image = undefined;
  });
  afterAll(() => {
    if (rows.length === 0) return;
    console.log(`power loss on ${backend}, seed ${seed}:\n${lines.join("\n")}`);
    recordFaults(`power-loss-${backend}`, rows);
  });

  describe.each(PLACES)(`the power goes on $name`, ({ name, losses, image: options }) => {
    test(`${losses} times on ${backend}: what was acknowledged is there, and no hole`, {
      timeout: 60_000 + losses * 2000,
    }, async () => {
      const what = `power loss on ${name}, ${backend}`;
      if (diskOf(backend) === undefined) return console.warn(`SKIPPED: ${what}`);
      image = LoopImage.make(what, options);
      if (image === undefined) return;
      const figures = new PowerFigures();
      const power = new PowerLosses(image, backend, seed, figures);
      let observed = "so it was, every time";
      try {
        await power.run(losses);
      } catch (error) {
        observed = `FAILED: ${(error as Error).message}`;
        throw error;
      } finally {
        lines.push(`  ${name}: ${figures}`);
        const points = [...figures.points].map(([point, hits]) => `${point} ${hits}`);
        lines.push(`    ${figures.atPoints} at failpoints: ${points.join(", ")}`);
        rows.push(...rowsOf(`${name}, ${backend}`, figures, observed));
      }
      expect(figures.losses).toBe(losses);
      expect(figures.recoveries).toBeGreaterThan(losses / 6);
    });
  });
}

function rowsOf(where: string, figures: PowerFigures, observed: string): FaultRow[] {
  const how = `shutdown ioctl on a loop-mounted image, ${where}`;
  const expected = "acknowledged kept, no hole, snapshots kept";
  const row = (fault: string, fired: number) => ({ fault, how, fired, expected, observed });
  const at = (...parts: string[]): number =>
    [...figures.points]
      .filter(([name]) => parts.some((part) => name.includes(part)))
      .reduce((sum, [, hits]) => sum + hits, 0);
  return [
    row("3 power loss", figures.losses),
    row("9 crash during recovery", figures.whileOpening),
    row("24 torn manifest write", at("manifest")),
    row("25 rename not durable", at("rename", "syncDirectory")),
    row("26 new file entry not durable", at("open run", "open segment", "open archive")),
    row("27 file size not durable", at("zeroFill segment", "sync segment")),
    row("28 unlink before the manifest", at("remove run")),
    row("29 crash during a snapshot", at(" run", " archive")),
  ];
}
