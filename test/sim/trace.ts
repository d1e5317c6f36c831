/** One number for all that happened on a machine: equal runs give equal numbers. */
import { OPERATIONS, type Operation } from "./faults.js";

const OPERATION_NUMBERS = new Map(OPERATIONS.map((operation, index) => [operation, index + 1]));

export class Trace {
  hash = 0x811c9dc5;
  readonly #textHashes = new Map<string, number>();

  fold(value: number): void {
    const mixed = Math.imul(this.hash ^ (value | 0), 0x01000193);
    this.hash = (mixed ^ (mixed >>> 15)) >>> 0;
  }

  foldText(text: string): void {
    let hash = this.#textHashes.get(text);
    if (hash === undefined) {
      hash = 0;
      for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
      this.#textHashes.set(text, hash);
    }
    this.fold(hash);
  }

  /** A sample of content: checksums stand near the start of what this package writes. */
  foldBytes(bytes: Uint8Array): void {
    const end = Math.min(bytes.length, 64);
    let hash = bytes.length;
    for (let i = 0; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    this.fold(hash);
  }

  foldOperation(operation: Operation, path: string, offset: number, length: number): void {
    this.fold(OPERATION_NUMBERS.get(operation)!);
    this.foldText(path);
    this.fold(offset);
    this.fold(length);
  }
}
