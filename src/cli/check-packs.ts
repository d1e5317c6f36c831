/** Packs: header, footer, index, and every chunk, up to the hash of its content. */
import { errnoCode, isHoldfastError } from "../base/errors.js";
import { PACK_HASH_BYTES, packFileName } from "../blobs/format.js";
import { hashKey, PackFile } from "../blobs/pack-file.js";
import { PackSet } from "../blobs/pack-set.js";
import { blobVersions } from "../blobs/tables.js";
import { allVersions, chunkRange, hashesOf } from "../blobs/versions.js";
import type { TableDefinition } from "../codec/schema.js";
import type { TablesToRead } from "../codec/table-rows.js";
import type { Manifest, ManifestPack } from "../manifest/format.js";
import { packsFor } from "../snapshot/put-blob.js";
import { openStoredState, type StoredState } from "../store/stored-state.js";
import { damage, type Finding } from "./findings.js";
import type { StoreView } from "./read-store.js";

/** Blobs that are named for one chunk. */
const OWNERS_MAX = 3;

export class PackChecker {
  readonly findings: Finding[] = [];
  chunks = 0;
  readonly #store: StoreView & { readonly manifest: Manifest };
  readonly #set: PackSet;
  /** Which blobs have a chunk, by its hash: by the state as far as it can be read. */
  #owners: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

  constructor(store: StoreView & { readonly manifest: Manifest }) {
    this.#store = store;
    this.#set = new PackSet(store.disk, store.directory, true);
  }

  async check(pack: ManifestPack): Promise<void> {
    const { manifest, directory } = this.#store;
    const path = `${directory}/${packFileName(pack.id)}`;
    // All of them: chunks may be the differences to others'.
    await this.#set.use(packsFor(manifest.packs ?? [], manifest.storeId), () => {});
    const file = this.#set.files.find((one) => one.path === path);
    if (file === undefined) {
      await this.#tellWhy(pack, path);
      return;
    }
    for (const { offset, what } of file.problems) {
      this.findings.push(damage("pack", path, offset, `a pack: ${what}`));
    }
    for (let i = 0; i < file.chunks; i++) await this.#checkChunk(file, i);
    const missing = pack.chunks - file.chunks;
    if (missing > 0) {
      const message = `a pack: ${missing} of its ${pack.chunks} chunks cannot be found`;
      this.findings.push(damage("pack", path, pack.bytes, message));
    }
  }

  close(): Promise<void> {
    return this.#set.close();
  }

  async #checkChunk(file: PackFile, i: number): Promise<void> {
    const { path } = file;
    const chunk = file.chunk(i);
    this.chunks++;
    try {
      if (!(await file.hasHeader(chunk))) {
        const what = "a pack: the header of a chunk fails its checksum; the index has it, too";
        this.findings.push(damage("pack", path, chunk.offset, what));
      }
      await this.#set.check({ file, index: i });
    } catch (error) {
      if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
      const { message } = error as Error;
      const kind = isHoldfastError(error, "CORRUPT_BLOB") ? "pack" : "unreadable";
      const what = message.replace(/^.* is damaged at \d+: /, "");
      const whose = await this.#whose(hashKey(chunk.hash));
      this.findings.push(damage(kind, path, chunk.offset, `a pack: ${what}; ${whose}`));
    }
  }

  /** Why it is not among those that can be read. */
  async #tellWhy(pack: ManifestPack, path: string): Promise<void> {
    const { disk, directory, manifest } = this.#store;
    const [named] = packsFor([pack], manifest.storeId);
    try {
      const file = await PackFile.open(disk, directory, named as never, true);
      await file.close();
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      const { code, data, message } = error;
      const kind = code === "MISSING_FILE" ? "missing-file" : code === "IO" ? "unreadable" : "pack";
      const what =
        code === "MISSING_FILE"
          ? "the file is missing, and the manifest says that blobs are in it"
          : `a pack: ${message.replace(/^.* is damaged at \d+: /, "")}`;
      this.findings.push(damage(kind, path, data.offset ?? 0, what));
    }
  }

  async #whose(key: string): Promise<string> {
    this.#owners ??= this.#findOwners();
    const owners = (await this.#owners).get(key) ?? [];
    if (owners.length === 0) return "no version of a blob has it now";
    const more = owners.length - OWNERS_MAX;
    return `${owners.slice(0, OWNERS_MAX).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  }

  async #findOwners(): Promise<ReadonlyMap<string, readonly string[]>> {
    const owners = new Map<string, string[]>();
    let state: StoredState | undefined;
    try {
      state = await openStoredState(this.#store.disk, this.#store.directory);
      if (!state.tables.has(blobVersions.name)) return owners;
      const tables = storedTables(state);
      for (const version of allVersions(tables)) {
        const hashes = hashesOf(tables, version);
        const { name, version: number } = version.info;
        for (let i = 0; i * PACK_HASH_BYTES < hashes.length; i++) {
          const key = hashKey(hashes.subarray(i * PACK_HASH_BYTES, (i + 1) * PACK_HASH_BYTES));
          const { from } = chunkRange(version.row, i);
          const text = `blob ${JSON.stringify(name)}, version ${number}, from byte ${from} on`;
          owners.set(key, [...(owners.get(key) ?? []), text]);
        }
      }
    } catch (error) {
      // The store is damaged elsewhere, too; that is told there.
      if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
    } finally {
      await state?.close();
    }
    return owners;
  }
}

/** Rows as the store has them, whatever its code knows. */
function storedTables(state: StoredState): TablesToRead {
  const table = ({ name }: { readonly name: string }) =>
    state.table(state.tables.get(name) as TableDefinition);
  return {
    get: (definition, key) => table(definition).get(key) as never,
    entries: (definition, range) => table(definition).entries(range as never) as never,
  };
}
