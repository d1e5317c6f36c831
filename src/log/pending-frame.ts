/** A frame on its way to disk, and the promise of those who wait for it. */
export class PendingFrame {
  readonly slot: number;
  readonly firstSequence: number;
  lastSequence: number;
  /** Set when the write has completed, in whatever order. */
  completed = false;
  error: Error | undefined;
  submittedMicros = 0;
  frameBytes = 0;
  segmentId = 0;
  /** Where the frame ends in its segment. */
  endOffset = 0;

  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  /** True, or why not, once it is known what became of the frame. */
  #outcome: true | Error | undefined;

  constructor(slot: number, firstSequence: number) {
    this.slot = slot;
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
  }

  /** One promise for all who wait for this frame: waiting costs no allocation for each write. */
  get promise(): Promise<void> {
    // Whoever asks late must not wait for ever.
    if (this.#promise === undefined && this.#outcome !== undefined) {
      this.#promise = this.#outcome === true ? Promise.resolve() : Promise.reject(this.#outcome);
    }
    this.#promise ??= new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    return this.#promise;
  }

  acknowledge(): void {
    this.#outcome ??= true;
    this.#resolve?.();
  }

  refuse(error: Error): void {
    this.#outcome ??= error;
    this.#reject?.(error);
  }
}
