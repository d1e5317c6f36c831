/** Random mutations of the specimen, each answered in the short way, the long way, and by `verify`. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseSegmentFileName } from "../../src/log/format.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { parseArchiveFileName } from "../../src/snapshot/archive-format.js";
import { Random } from "../sim/random.js";
import { recordFaults } from "../support/fault-matrix.js";
import { seedOfRun } from "../support/seed.js";
import { describeMutation, type Mutation, mutated, mutatedValues } from "./mutations.js";
import { type Outcome, outcomeText, wrongWith } from "./outcome.js";
import { archiveProbe, type Contents, logProbe, type Probe, slotProbe } from "./probes.js";
import { RunProbe } from "./run-probe.js";
import { DIRECTORY, makeSpecimen, type Specimen } from "./specimen.js";
import { withoutTraces } from "./sweep.js";
import { type Unit, unitsOf } from "./units.js";
import { verifyDamage, wholeOutcome } from "./whole.js";

/** Asks `verify` as well, once in so many. */
const VERIFY_EVERY = 4;

class Sample {
  readonly #specimen: Specimen;
  readonly #contents: Contents;
  readonly #units: readonly Unit[];
  readonly #probes = new Map<string, Probe>();
  readonly problems: string[] = [];
  readonly counts = new Map<string, number>();
  verified = 0;

  private constructor(specimen: Specimen) {
    this.#specimen = specimen;
    this.#contents = new Map(specimen.files);
    this.#units = unitsOf(specimen);
  }

  static async of(specimen: Specimen): Promise<Sample> {
    const sample = new Sample(specimen);
    const contents = sample.#contents;
    const run = new RunProbe(specimen, contents, specimen.manifest.files[0] as ManifestFile);
    await run.prepare();
    for (const { path } of sample.#units) {
      const name = path.slice(DIRECTORY.length + 1);
      const segment = parseSegmentFileName(name);
      const archive = parseArchiveFileName(name);
      if (segment !== undefined) sample.#probes.set(path, logProbe(specimen, contents, segment));
      else if (archive !== undefined) {
        sample.#probes.set(path, archiveProbe(specimen, contents, archive));
      } else if (path === run.path) sample.#probes.set(path, run.probe);
      else sample.#probes.set(path, slotProbe(specimen, contents));
    }
    return sample;
  }

  /** A byte in four of five, a length in the others; each kind of unit as often as any other. */
  async one(random: Random, verify: boolean): Promise<void> {
    const kinds = [...new Set(this.#units.map(({ what }) => what))];
    const what = random.pick(kinds);
    const unit = random.pick(this.#units.filter((one) => one.what === what));
    const at = unit.from + random.below(unit.to - unit.from);
    const whole = this.#specimen.files.get(unit.path) as Uint8Array;
    const mutation: Mutation = random.chance(0.8)
      ? { path: unit.path, at, value: random.pick(mutatedValues(whole[at] as number)) }
      : { path: unit.path, length: at };
    const changed = mutated(whole, mutation);
    this.#contents.set(unit.path, changed);
    const isCut = "length" in mutation;
    const opens = isCut && unit.path.endsWith(".run") ? -1 : at;
    const short = await (this.#probes.get(unit.path) as Probe)(opens);
    this.#contents.set(unit.path, whole);
    const files = new Map([[unit.path, changed]]);
    try {
      const long = await wholeOutcome(this.#specimen, files);
      this.#compare(mutation, unit, short, long);
      if (verify) await this.#verify(mutation, unit, short, files);
    } catch (error) {
      this.problems.push(`${describeMutation(mutation)} (${unit.what}): ${String(error)}`);
    }
  }

  #compare(mutation: Mutation, unit: Unit, short: Outcome, long: Outcome): void {
    const texts = [short, long].map(outcomeText);
    const name = `${unit.what}${"length" in mutation ? ", cut off" : ""}: ${texts[1]}`;
    const key = name.replace(/ \/.*/, "");
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    if (texts[0] !== texts[1]) {
      this.problems.push(
        `${describeMutation(mutation)} (${unit.what}): ${texts.join(", whole: ")}`,
      );
    }
    // What a length comes to is told by the sweeps; that it is the same here was just seen.
    const wrong = "length" in mutation ? undefined : wrongWith(long, unit, mutation);
    if (wrong !== undefined) this.problems.push(`whole: ${wrong}`);
  }

  /** It finds what anybody stumbles over, in that file; and it never cries wolf. */
  async #verify(mutation: Mutation, unit: Unit, short: Outcome, files: Contents): Promise<void> {
    this.verified++;
    const findings = await verifyDamage(this.#specimen, files);
    const isFound = findings.some(({ file }) => file === unit.path);
    const isNeeded = short.kind === "refused" || short.how === "repaired";
    const mustFind = isNeeded || (unit.fate === "unread" && !("length" in mutation));
    const text = `${describeMutation(mutation)} (${unit.what})`;
    if (mustFind && !isFound) this.problems.push(`verify is silent: ${text}`);
    if (!mustFind && findings.length > 0) {
      this.problems.push(`verify cries wolf: ${text}: ${findings[0]?.message}`);
    }
  }
}

/** A test of `count` samples, from seeds of its own. */
export function sampleTest(name: string, firstSeed: number, count: number): void {
  let specimen: Specimen;
  beforeAll(async () => {
    specimen = await makeSpecimen();
  });
  withoutTraces();
  let sample: Sample;
  test(`${count} random mutations: short way, whole opening and verify agree`, {
    timeout: 3_600_000,
  }, async () => {
    const seed = seedOfRun(firstSeed);
    sample = await Sample.of(specimen);
    const random = new Random(seed);
    const since = performance.now();
    for (let i = 0; i < count && sample.problems.length < 20; i++) {
      await sample.one(random, i % VERIFY_EVERY === 0);
    }
    const seconds = (performance.now() - since) / 1000;
    console.log(
      `${name}: seed ${seed}, ${count} openings, ${sample.verified} times verify, ` +
        `${seconds.toFixed(1)} s (${Math.round(count / seconds)}/s)\n  ` +
        [...sample.counts]
          .sort()
          .map(([text, times]) => `${text} ${times}`)
          .join("\n  "),
    );
    expect(sample.problems).toEqual([]);
    expect(sample.counts.size).toBeGreaterThan(20);
  });
  afterAll(() => {
    const total = [...sample.counts.values()].reduce((sum, times) => sum + times, 0);
    recordFaults(name, [
      {
        fault: "10, 20, 22, 30 any byte, any length, of any file",
        how: "random bytes and lengths; the whole store opened and read, and verified",
        fired: total,
        expected: "the same outcome as that of the part by itself; verify finds what is refused",
        observed: `wrong: ${sample.problems.length}`,
      },
    ]);
  });
}
