/**
 * The two ends of a job that is given, or gives, one piece after another: a channel between two
 * threads, or within this one.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";

/** One end. What is sent before the other end listens waits for it. */
export interface Port<Out, In> {
  /** `memory` is the other end's from then on. */
  send(message: Out, memory?: ArrayBuffer): void;
  onMessage(listener: (message: In) => void): void;
  close(): void;
}

/** What crosses to a thread in place of an end; or the end itself. */
export type PortLike<Out, In> = MessagePort | LocalPort<Out, In>;

/** An end and what is given to the job that has the other one. */
export function openPorts<Out, In>(isThread: boolean): readonly [Port<Out, In>, PortLike<In, Out>] {
  if (!isThread) {
    const [near, far] = [new LocalPort<Out, In>(), new LocalPort<In, Out>()];
    near.peer = far;
    far.peer = near;
    return [near, far];
  }
  const { port1, port2 } = new MessageChannel();
  // Whoever waits for the job keeps the process alive.
  port1.unref();
  return [new ThreadPort<Out, In>(port1), port2];
}

export function portOf<Out, In>(port: PortLike<Out, In>): Port<Out, In> {
  return port instanceof LocalPort ? port : new ThreadPort<Out, In>(port);
}

/** What goes over with a job, if it is for another thread. */
export function transferOf(job: object): MessagePort[] {
  const { port } = job as { port?: PortLike<unknown, unknown> };
  return port === undefined || port instanceof LocalPort ? [] : [port];
}

class ThreadPort<Out, In> implements Port<Out, In> {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  send(message: Out, memory?: ArrayBuffer): void {
    this.#port.postMessage(message, memory === undefined ? [] : [memory]);
  }

  onMessage(listener: (message: In) => void): void {
    this.#port.on("message", listener);
  }

  close(): void {
    this.#port.close();
  }
}

/** Both ends on one thread: a message comes in a turn of its own. */
export class LocalPort<Out, In> implements Port<Out, In> {
  peer: LocalPort<In, Out> | undefined;
  #listener: ((message: In) => void) | undefined;
  #waiting: In[] = [];

  send(message: Out): void {
    queueMicrotask(() => this.peer?.take(message));
  }

  onMessage(listener: (message: In) => void): void {
    this.#listener = listener;
    for (const message of this.#waiting.splice(0)) listener(message);
  }

  take(message: In): void {
    if (this.#listener === undefined) this.#waiting.push(message);
    else this.#listener(message);
  }

  close(): void {
    this.#listener = () => {};
  }
}
