/** An open file of a simulated disk. */
import type { DiskFile, OpenOptions } from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import type { FaultOptions } from "./faults.js";
import type { SimulatedFile } from "./file.js";
import { type OperationPlace, type SimulatedDisk, throwFault } from "./simulated-disk.js";

export class SimulatedHandle implements DiskFile {
  readonly path: string;
  readonly #disk: SimulatedDisk;
  readonly #file: SimulatedFile;
  readonly #options: OpenOptions;
  #closing: Promise<void> | undefined;

  constructor(disk: SimulatedDisk, path: string, file: SimulatedFile, options: OpenOptions) {
    this.path = path;
    this.#disk = disk;
    this.#file = file;
    this.#options = options;
  }

  size(): Promise<number> {
    return this.#start({ operation: "size", path: this.path }, "fstat", () => this.#file.size);
  }

  async read(offset: number, length: number, reuse?: Uint8Array): Promise<Uint8Array> {
    const bytes = await this.#read(offset, length, this.#options.direct === true);
    if (reuse === undefined || reuse.length < bytes.length) return bytes;
    reuse.set(bytes);
    return reuse.subarray(0, bytes.length);
  }

  #read(offset: number, length: number, direct: boolean): Promise<Uint8Array> {
    const place: OperationPlace = { operation: "read", path: this.path, offset, length };
    return this.#start(place, "read", () => {
      this.#disk.machine.checkReadable(this.#file, this.path, offset, length);
      return direct ? this.#file.readDirect(offset, length) : this.#file.read(offset, length);
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    // The caller may use the memory again once this returns; the content is that of now.
    const copy = bytes.slice();
    for (let done = 0; done < copy.length; ) {
      done += await this.#writeSome(offset + done, copy.subarray(done));
    }
  }

  /** As operations of their own: what one by itself can leave is among what these can. */
  async writeVerified(offset: number, bytes: Uint8Array): Promise<boolean> {
    await this.write(offset, bytes);
    await this.sync();
    const read = await this.#read(offset, bytes.length, true);
    return Buffer.compare(read, bytes) === 0;
  }

  isNamed(): Promise<boolean> {
    const { tree } = this.#disk.machine;
    const place: OperationPlace = { operation: "size", path: this.path };
    return this.#start(place, "stat", () => tree.get(this.path) === this.#file);
  }

  zeroFill(offset: number, length: number): Promise<void> {
    const action = (count: number): void => {
      this.#disk.machine.checkSpace(this.#file, this.path, offset + count);
      this.#file.zeroFill(offset, count);
    };
    return this.#startWrite(
      { operation: "zeroFill", path: this.path, offset, length },
      (fault) => {
        if (fault !== undefined) action(this.#disk.machine.random.below(length));
        throwFault(fault, "write", this.path);
        action(length);
      },
      () => action(length),
    );
  }

  truncate(length: number): Promise<void> {
    const place: OperationPlace = { operation: "truncate", path: this.path, length };
    const action = (): void => {
      this.#disk.machine.checkSpace(this.#file, this.path, length);
      this.#file.truncate(length);
    };
    return this.#startWrite(
      place,
      (fault) => {
        throwFault(fault, "ftruncate", this.path);
        action();
      },
      action,
    );
  }

  sync(): Promise<void> {
    const { machine } = this.#disk;
    return this.#startWrite(
      { operation: "sync", path: this.path },
      (fault) => {
        if (fault !== undefined) this.#file.failSync(machine.random);
        throwFault(fault, "fsync", this.path);
        this.#file.sync();
      },
      () => this.#file.sync(),
      true,
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#disk.start({ operation: "close", path: this.path }, (fault) =>
      throwFault(fault, "close", this.path),
    );
    return this.#closing;
  }

  #writeSome(offset: number, bytes: Uint8Array): Promise<number> {
    const { machine } = this.#disk;
    const place: OperationPlace = {
      operation: "write",
      path: this.path,
      offset,
      length: bytes.length,
    };
    const write = (count: number): number => {
      const at = this.#options.append ? this.#file.size : offset;
      machine.checkSpace(this.#file, this.path, at + count);
      this.#file.write(at, bytes.subarray(0, count));
      return count;
    };
    return this.#startWrite(
      place,
      (fault) => {
        machine.trace.foldBytes(bytes);
        if (fault === undefined) return write(bytes.length);
        const part = machine.random.below(bytes.length);
        // One that gets nowhere is an error, not a short write.
        const count = write("write" in fault ? Math.max(1, part) : part);
        throwFault(fault, "write", this.path);
        return count;
      },
      () => void write(bytes.length),
    );
  }

  #start<T>(place: OperationPlace, syscall: string, action: () => T): Promise<T> {
    if (this.#closing !== undefined) return this.#refuse(place.operation);
    return this.#disk.start(place, (fault) => {
      throwFault(fault, syscall, this.path);
      return action();
    });
  }

  #startWrite<T>(
    place: OperationPlace,
    action: (fault: FaultOptions | undefined) => T,
    land: () => void,
    readable = false,
  ): Promise<T> {
    const writable = this.#options.write || readable;
    if (this.#closing !== undefined || !writable) return this.#refuse(place.operation);
    return this.#disk.start(place, action, land);
  }

  #refuse(syscall: string): Promise<never> {
    return Promise.reject(systemError("EBADF", syscall, this.path));
  }
}
