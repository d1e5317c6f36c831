/**
 * Messages between processes of one machine, through a Unix socket that has a name in a directory.
 * Only processes of the same user (and root) can connect to it.
 */
import * as fs from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { errnoCode } from "../base/errors.js";

/** What is longer does not fit the address of a socket everywhere: 104 bytes on macOS. */
const ADDRESS_BYTES_MAX = 100;

/** Of a socket that is not yet what it is to be. */
export const UNNAMED_SUFFIX = ".new";

/** Whoever says more without a line end says nothing that is understood. */
const MESSAGE_CHARS_MAX = 64 * 1024;

export type Message = Readonly<Record<string, unknown>>;

/** The other end of a connection. Messages are JSON objects, one a line. */
export class Peer {
  readonly #socket: Socket;
  readonly #messages: Message[] = [];
  readonly #waiting: ((message: Message | undefined) => void)[] = [];
  #text = "";
  #gone = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    // What "error" tells "close" does, too: the other one is gone.
    socket.on("error", () => {});
    socket.on("close", () => this.#end());
    socket.on("end", () => this.#end());
  }

  /** The other one has gone, or was sent away. */
  get gone(): boolean {
    return this.#gone;
  }

  /** The process does not end before the connection has. */
  ref(): void {
    this.#socket.ref();
  }

  send(message: Message): void {
    if (!this.#gone) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** The next message; undefined when the other one has gone, or says what is no message. */
  next(): Promise<Message | undefined> {
    const message = this.#messages.shift();
    if (message !== undefined || this.#gone) return Promise.resolve(message);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends it, once all that was sent is on its way. Idempotent. */
  close(): void {
    this.#end();
    this.#socket.destroySoon();
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf("\n"); end >= 0; end = this.#text.indexOf("\n")) {
      const message = parse(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 1);
      if (message === undefined) {
        this.close();
        return;
      }
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#messages.push(message);
      else waiting(message);
    }
    if (this.#text.length > MESSAGE_CHARS_MAX) this.close();
  }

  #end(): void {
    this.#gone = true;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }
}

function parse(line: string): Message | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return typeof message === "object" && message !== null ? (message as Message) : undefined;
  } catch {
    return undefined;
  }
}

export interface LocalServer {
  /** Nobody can connect any more, and the name is gone. Who is connected stays so. Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens at a path, in place of whatever a process that has died has left there: so only one may
 * do it at a time. Neither it nor those who connect keep the process alive by themselves.
 */
export async function listenAt(path: string, onPeer: (peer: Peer) => void): Promise<LocalServer> {
  // Loaded only here: few programs hand a store over, and all of them start.
  const { createServer } = await import("node:net");
  const server = createServer((socket) => {
    socket.unref();
    onPeer(new Peer(socket));
  });
  // It gets its name when it has its permissions: nobody meets it half done.
  const unnamed = `${path}${UNNAMED_SUFFIX}`;
  await removeName(unnamed);
  await withAddress(unnamed, (address) => {
    return new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // Exclusive: a worker of a cluster would otherwise listen in its primary.
      server.listen({ path: address, exclusive: true }, resolve);
    });
  });
  server.removeAllListeners("error");
  // A connection that cannot be accepted, for want of descriptors, is none.
  server.on("error", () => {});
  server.unref();
  const close = async (): Promise<void> => {
    if (server.listening) server.close();
    await removeName(path);
  };
  try {
    await fs.chmod(unnamed, 0o600);
    await fs.rename(unnamed, path);
  } catch (error) {
    server.close();
    await removeName(unnamed);
    throw error;
  }
  return { close };
}

/** Throws ENOENT or ECONNREFUSED where nobody listens, and EACCES where that is not allowed. */
export async function connectTo(path: string): Promise<Peer> {
  const { createConnection } = await import("node:net");
  return withAddress(path, (address) => {
    return new Promise<Peer>((resolve, reject) => {
      const socket = createConnection({ path: address });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Peer(socket));
      });
    });
  });
}

async function removeName(path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
  }
}

/** A path is used as it is, or by way of a link that nobody else can reach, if it is too long. */
async function withAddress<T>(path: string, use: (address: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= ADDRESS_BYTES_MAX) return use(path);
  const place = await fs.mkdtemp(join(tmpdir(), "holdfast-"));
  const link = join(place, "to");
  try {
    await fs.symlink(dirname(path), link);
    return await use(join(link, basename(path)));
  } finally {
    await fs.rm(link, { force: true });
    await fs.rmdir(place);
  }
}
