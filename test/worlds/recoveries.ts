/** What recovery makes of an image, once for each that differs. */
import type { OpenOptions, SnapshotInfo } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import type { State } from "../sim/model.js";
import { DIRECTORY } from "../sim/tables.js";
import { openStore, stateOf } from "../support/program.js";
import type { Contents } from "./content.js";
import type { Image } from "./device.js";

export interface Recovered {
  readonly sequence: number;
  readonly state: State;
  readonly snapshots: readonly SnapshotInfo[];
  readonly tail: string;
}

export class Recoveries {
  readonly #contents: Contents;
  readonly #options: OpenOptions;
  readonly #known = new Map<string, Recovered>();
  /** Most images differ in what nobody reads any more: states are few. */
  readonly #states = new Map<string, State>();
  readonly tails: Record<string, number> = {};

  constructor(contents: Contents, options: OpenOptions) {
    this.#contents = contents;
    this.#options = options;
  }

  get count(): number {
    return this.#known.size;
  }

  get states(): number {
    return this.#states.size;
  }

  /** Opens the image, unless the same one was opened before. Rejects with what `open` throws. */
  async of(image: Image): Promise<Recovered> {
    let recovered = this.#known.get(image.key);
    if (recovered === undefined) {
      recovered = await this.#recover(image);
      this.#known.set(image.key, recovered);
      this.tails[recovered.tail] = (this.tails[recovered.tail] ?? 0) + 1;
    }
    return recovered;
  }

  async #recover({ files }: Image): Promise<Recovered> {
    const machine = new SimulatedMachine({ seed: 1, latencyMicros: 1 });
    machine.tree.createDirectory(DIRECTORY);
    for (const [path, content] of files) {
      machine.tree.createFile(path).replace(this.#contents.bytes(content));
    }
    machine.tree.commitAll();
    const store = await machine.run(openStore(machine.boot(), this.#options));
    const { lastSequence: sequence, tail } = store.recovery;
    const recovered = {
      sequence,
      state: this.#intern(stateOf(store)),
      snapshots: store.snapshots(),
      tail,
    };
    machine.crash("kill");
    return recovered;
  }

  #intern(state: State): State {
    let text = "";
    for (const rows of Object.values(state)) {
      for (const [key, { row }] of rows) text += `${key}=${row.stamp},${row.text.length};`;
      text += "|";
    }
    const known = this.#states.get(text);
    if (known !== undefined) return known;
    this.#states.set(text, state);
    return state;
  }
}
