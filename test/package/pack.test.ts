/** `npm pack`, `npm install` of the tarball into an empty project, and what can be done there. */
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Consumer, prebuilt, root } from "./consumer.js";

const TAPE = "node_modules/holdfast/tapes/binance_spot_btcusdt_20240808.jsonl.gz";
const SETUP_MILLIS = 180_000;

let consumer: Consumer;

beforeAll(() => {
  consumer = new Consumer();
}, SETUP_MILLIS);

afterAll(() => consumer?.remove());

/** Names of the files that a folder of the repository has, with their path in the package. */
function filesOf(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder))
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`);
}

describe("the tarball", () => {
  const paths = () => consumer.files.map((file) => file.path);

  test("has nothing that was not meant for it", () => {
    const meant = [
      /^(package\.json|LICENSE|README\.md|THIRD-PARTY\.md)$/,
      /^dist\/[\w./-]+\.(js|d\.ts)$/,
      /^native\/[\w-]+\.(cc|h)$/,
      /^native\/binding\.gyp$/,
      /^native\/prebuilds\/linux-\w+\/holdfast\.(glibc|musl)\.node$/,
      /^tapes\/[\w.-]+$/,
      /^docs\/[\w-]+\.md$/,
      /^docs\/plots\/[\w-]+\.svg$/,
    ];
    expect(paths().filter((path) => !meant.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(paths().filter((path) => /tsbuildinfo|\.test\.|holdfast_test/.test(path))).toEqual([]);
  });

  test("has all that is needed: code, types, sources of the addon, tapes, documents", () => {
    const modules = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
      .map((name) => `dist/${name.slice(0, -".ts".length)}`);
    const needed = [
      "package.json",
      "LICENSE",
      "README.md",
      "THIRD-PARTY.md",
      ...modules.map((name) => `${name}.d.ts`),
      ...["index", "cli/main", "snapshot/worker", "trading/index"].map((name) => `dist/${name}.js`),
      ...["core", "store", "replay"].map((name) => `dist/chunks/${name}.js`),
      ...filesOf("native", /\.(cc|h|gyp)$/),
      ...filesOf("tapes", /./),
      ...filesOf("docs", /\.md$/),
      ...(prebuilt === undefined ? [] : [prebuilt]),
    ];
    const there = new Set(paths());
    expect(needed.filter((path) => !there.has(path))).toEqual([]);
    expect(modules.length).toBeGreaterThan(40);
  });
});

describe("the installation", () => {
  test("goes through without a word of npm", () => {
    expect(consumer.installation.stderr).toBe("");
    expect(consumer.installation.status).toBe(0);
  });

  test("runs no script, of this package or of one it depends on, that npm could block", () => {
    const text = readFileSync(join(consumer.project, "node_modules", ".package-lock.json"), "utf8");
    const { packages } = JSON.parse(text) as { packages: Record<string, object> };
    expect(Object.keys(packages)).toContain("node_modules/holdfast");
    const withScript = Object.entries(packages)
      .filter(([, data]) => "hasInstallScript" in data)
      .map(([name]) => name);
    expect(withScript).toEqual([]);
  });

  test("has no script that runs at installation, and no binding.gyp that npm would compile", () => {
    const text = readFileSync(join(consumer.installed, "package.json"), "utf8");
    const { scripts } = JSON.parse(text) as { scripts: Record<string, string> };
    const automatic = ["preinstall", "install", "postinstall", "prepare"];
    expect(Object.keys(scripts).filter((name) => automatic.includes(name))).toEqual([]);
    expect(existsSync(join(consumer.installed, "binding.gyp"))).toBe(false);
    expect(existsSync(join(consumer.installed, "native", "build"))).toBe(false);
  });
});

const PROGRAM = `
import { defineTable, integer, open, string } from "holdfast";

const warnings = [];
process.on("warning", ({ name, code, message }) => warnings.push({ name, code, message }));
const counts = defineTable({
  name: "counts",
  version: 1,
  key: string(),
  fields: { n: integer() },
});
const options = { tables: [counts] };

let store = await open(process.argv[2] ?? "state", options);
const before = store.table(counts).get("a")?.n ?? 0;
await store.table(counts).put("a", { n: before + 1 });
await store.close();
store = await open(process.argv[2] ?? "state", options);
const { n } = store.table(counts).get("a");
const { disk } = store.stats();
await store.close();
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify({ before, n, disk, warnings }));
`;

interface Ran {
  readonly before: number;
  readonly n: number;
  readonly disk: { readonly kind: string; readonly reason?: string };
  readonly warnings: readonly { name: string; code?: string; message: string }[];
}

describe("the installed library", () => {
  beforeAll(() => consumer.write("program.mjs", PROGRAM));

  test.skipIf(prebuilt === undefined)("finds its addon and runs on the native disk", () => {
    const ran = consumer.json("program.mjs") as Ran;
    expect(ran).toMatchObject({ before: 0, n: 1, disk: { kind: "native" } });
    expect(ran.warnings.map((warning) => warning.code)).not.toContain("PORTABLE_DISK");
  });

  test("without its addon runs on the portable disk, and says so; the store is the same", () => {
    const native = join(consumer.installed, "native");
    const before = prebuilt === undefined ? 0 : 1;
    renameSync(native, `${native}-away`);
    try {
      const ran = consumer.json("program.mjs") as Ran;
      expect(ran).toMatchObject({ before, n: before + 1, disk: { kind: "portable" } });
      expect(ran.disk.reason).toMatch(/the native addon of holdfast cannot be loaded: ./);
      const told = ran.warnings.filter((warning) => warning.code === "PORTABLE_DISK");
      // One for each opening.
      expect(told).toHaveLength(2);
      expect(told[0]).toMatchObject({ name: "HoldfastWarning" });
      expect(told[0]?.message).toContain(ran.disk.reason);
    } finally {
      renameSync(`${native}-away`, native);
    }
  });

  test("gives nothing but its public names and its package.json", () => {
    consumer.write(
      "names.mjs",
      `
      const names = Object.keys(await import("holdfast")).sort();
      const manifest = import.meta.resolve("holdfast/package.json");
      const inner = await import("holdfast/dist/store/store.js").catch((error) => error.code);
      const trading = Object.keys(await import("holdfast/trading"));
      console.log(JSON.stringify({ names, manifest, inner, trading }));
      `,
    );
    const { names, manifest, inner, trading } = consumer.json("names.mjs") as Record<
      string,
      unknown
    >;
    expect(trading).toEqual(expect.arrayContaining(["openTrading", "TRADING_TABLES"]));
    expect(names).toEqual(expect.arrayContaining(["defineTable", "isHoldfastError", "open"]));
    expect(manifest).toMatch(/node_modules\/holdfast\/package\.json$/);
    expect(inner).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });
});

describe("the installed types", () => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");

  beforeAll(() => {
    consumer.write(
      "tsconfig.json",
      JSON.stringify({
        compilerOptions: {
          target: "ES2022",
          module: "NodeNext",
          moduleResolution: "NodeNext",
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          skipLibCheck: false,
          noEmit: true,
          // What such a project has installed anyway.
          typeRoots: [join(root, "node_modules", "@types")],
          types: ["node"],
        },
        files: ["program.mts"],
      }),
    );
  });

  function compile(program: string) {
    consumer.write("program.mts", program);
    return consumer.run(process.execPath, [compiler, "-p", "."]);
  }

  test("are found, strict, and hold what the schema says", () => {
    const output = compile(`
      import { Decimal, decimal, defineTable, isHoldfastError, nullable, open } from "holdfast";
      import { type RowOf, type Store, string, type Table } from "holdfast";

      const orders = defineTable({
        name: "orders",
        version: 1,
        key: [string(), string()],
        fields: { price: decimal(2), note: nullable(string()) },
      });
      export type Order = RowOf<typeof orders>;

      await using store: Store = await open("state", { tables: [orders], writerId: "a" });
      const table = store.table(orders);
      await table.put(["venue", "a-1"], { price: "1.50", note: null });
      const order: Order | undefined = table.get(["venue", "a-1"]);
      export const price: Decimal | undefined = order?.price;
      export const sum: number = store.transactSync((tx) => tx.count(orders));
      try {
        await store.durable();
      } catch (error) {
        if (isHoldfastError(error, "OUTCOME_UNKNOWN")) console.log(error.data.sequence);
      }
    `);
    expect(output).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("refuse a row, a key and an option that do not fit", () => {
    const output = compile(`
      import { defineTable, integer, open, string } from "holdfast";
      const t = defineTable({ name: "t", version: 1, key: string(), fields: { n: integer() } });
      const store = await open("state", { tables: [t], segmentByte: 1 });
      await store.table(t).put("a", { n: "1" });
      store.table(t).get(1);
    `);
    const lines = [...output.stdout.matchAll(/program\.mts\((\d+),/g)].map(([, line]) => line);
    expect(output.status).not.toBe(0);
    expect(lines).toEqual(["4", "5", "6"]);
  });
});

describe("the installed command", () => {
  const bin = "node_modules/.bin/holdfast";

  test("is there, by its name and for npx", () => {
    const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version as string;
    expect(consumer.run(bin, ["--version"])).toMatchObject({ status: 0, stdout: `${version}\n` });
    const help = consumer.run(bin, ["--help"]);
    expect(help.status).toBe(0);
    expect(help.stdout).toMatch(/^Usage: holdfast /);
    const npx = consumer.run("npx", ["--offline", "holdfast", "--help"]);
    expect(npx).toMatchObject({ status: 0, stdout: help.stdout });
  });

  test("replays a tape of the package, and goes on where it was", () => {
    const replay = (limit: number, dir: string) => {
      const args = ["replay", TAPE, "--dir", dir, "--limit", String(limit), "--json"];
      const output = consumer.run(bin, args);
      expect(output.status, output.stderr).toBe(0);
      return JSON.parse(output.stdout) as Record<string, unknown>;
    };
    expect(replay(300, "replayed")).toMatchObject({ events: 300, resumedAtEvent: 0 });
    const second = replay(600, "replayed");
    expect(second).toMatchObject({ events: 600, resumedAtEvent: 300, complete: false });
    expect(second.digest).toBe(replay(600, "at-once").digest);
  });
});
