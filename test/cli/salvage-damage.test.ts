/** Salvage of stores whose runs are damaged, and of stores damaged anywhere: never an older row. */
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FOOTER_AT, RUN_FOOTER_BYTES, runFileName } from "../../src/run/format.js";
import { seedOfRun } from "../support/seed.js";
import { copyOf, flip, manifestOf, removeDirectories } from "./frames.js";
import { filesOf, largestFile } from "./run-stores.js";
import { type History, makeHistory, salvaged } from "./salvage-model.js";

let forgetful: History;
/** With archives of all its history. */
let lasting: History;

beforeAll(async () => {
  forgetful = await makeHistory();
  lasting = await makeHistory({ history: "all" });
});

afterAll(removeDirectories);

const SLOTS = ["manifest.0", "manifest.1"];

describe("runs", () => {
  async function damaged(history: History, offset: number) {
    const directory = await copyOf(history.directory);
    const file = largestFile(await manifestOf(directory));
    await flip(join(directory, runFileName(file.id)), offset);
    return { directory, file };
  }

  test("a bad block: its keys are named, and older rows of them are told and not used", async () => {
    const { directory, file } = await damaged(forgetful, 300);
    const { report } = await salvaged(forgetful, directory);
    expect(report.complete).toBe(false);
    expect(report.sequence).toBe(forgetful.states.length - 1);
    const [lost] = report.lost;
    expect(lost).toMatchObject({ kind: "rows", file: join(directory, runFileName(file.id)) });
    expect(lost?.from?.table).toBe("orders");
    const older = await salvaged(forgetful, directory, { allowOlder: true });
    expect(older.report.olderRows.used).toBe(true);
    expect(older.report.rows).toBe(report.rows + report.olderRows.rows);
  });

  test("with the history in archives nothing is lost", async () => {
    const { directory } = await damaged(lasting, 300);
    const { report, state } = await salvaged(lasting, directory);
    expect(report).toMatchObject({ complete: true, lost: [] });
    expect(report.harmless.length).toBe(1);
    expect(state).toEqual(lasting.states.at(-1));
  });

  test.each(["header", "footer", "root"])("a bad %s loses no row", async (what) => {
    const { id, bytes } = largestFile(await manifestOf(forgetful.directory));
    const content = await readFile(join(forgetful.directory, runFileName(id)));
    const root = content.readUint32LE(bytes - RUN_FOOTER_BYTES + FOOTER_AT.rootOffset);
    const offset = { header: 20, footer: bytes - 30, root: root + 30 }[what] as number;
    const { directory } = await damaged(forgetful, offset);
    const { report } = await salvaged(forgetful, directory);
    expect(report).toMatchObject({ complete: true, lost: [] });
  });

  test("every run file gone, one after the other; and cut short", async () => {
    for (const how of ["gone", "short"]) {
      const { state } = await manifestOf(forgetful.directory);
      for (const id of state.runs.flatMap((run) => run.files)) {
        const directory = await copyOf(forgetful.directory);
        const path = join(directory, runFileName(id));
        if (how === "gone") await rm(path);
        else await truncate(path, 700);
        const { report } = await salvaged(forgetful, directory);
        expect(report.lost.map(({ file }) => file)).toContain(path);
        expect(report.complete).toBe(false);
      }
    }
  });
});

test("damage anywhere gives a state that is proven", async () => {
  const seed = seedOfRun(1);
  let next = seed;
  const random = (below: number) => {
    next = (Math.imul(next, 1103515245) + 12345) >>> 0;
    return (next >>> 8) % below;
  };
  const told: string[] = [];
  for (let round = 0; round < 24; round++) {
    const history = round % 2 === 0 ? forgetful : lasting;
    const directory = await copyOf(history.directory);
    const files = (await filesOf(directory, "")).filter((file) => !/LOCK|manifest/.test(file));
    for (let i = 0; i <= random(4); i++) {
      const file = files[random(files.length)] as string;
      const bytes = await readFile(file).catch(() => undefined);
      if (bytes === undefined || bytes.length === 0) continue;
      const how = random(4);
      if (how === 0) await rm(file);
      else if (how === 1) await truncate(file, random(bytes.length));
      else bytes.fill(random(256), random(bytes.length), random(bytes.length));
      if (how > 1) await writeFile(file, bytes);
      told.push(`${round} ${file} ${how}`);
    }
    const lose = random(5) === 0 ? SLOTS : [];
    for (const slot of lose) await rm(join(directory, slot));
    try {
      await salvaged(history, directory, { environment: "test" });
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}:\n${told.join("\n")}`, { cause: error });
    }
  }
});
