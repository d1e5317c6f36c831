/** One line that is written over, for people who wait; nothing where nobody looks on. */

const PROGRESS_MILLIS = 200;

export class ProgressLine {
  #shownAt = performance.now();
  #isShown = false;

  show(text: () => string): void {
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < PROGRESS_MILLIS) return;
    this.#shownAt = performance.now();
    this.#isShown = true;
    process.stderr.write(`\r\x1b[K${text()}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write("\r\x1b[K");
    this.#isShown = false;
  }
}
