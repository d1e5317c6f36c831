/** Puts side by side, or one that takes chunks away: never both. */

export class BlobGate {
  #shared = 0;
  #exclusive: Promise<void> | undefined;

  /** Waits while chunks are taken away; to be let go once. */
  async enter(): Promise<() => void> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    this.#shared++;
    return once(() => {
      this.#shared--;
    });
  }

  /** Undefined while somebody is in. */
  close(): (() => void) | undefined {
    if (this.#shared > 0 || this.#exclusive !== undefined) return undefined;
    let open = (): void => {};
    this.#exclusive = new Promise((resolve) => {
      open = resolve;
    });
    return once(() => {
      this.#exclusive = undefined;
      open();
    });
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}
