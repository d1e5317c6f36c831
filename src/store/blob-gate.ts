/** Puts side by side, or one that takes chunks away: never both. */

export class BlobGate {
  #shared = 0;
  #exclusive: Promise<void> | undefined;
  readonly #leaving: (() => void)[] = [];

  /** Waits while chunks are taken away; to be let go once. */
  async enter(): Promise<() => void> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    this.#shared++;
    return once(() => {
      this.#shared--;
      if (this.#shared > 0) return;
      for (const left of this.#leaving.splice(0)) left();
    });
  }

  /** Resolves when nobody is in. */
  async empty(): Promise<void> {
    if (this.#shared === 0) return;
    await new Promise<void>((resolve) => {
      this.#leaving.push(resolve);
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
