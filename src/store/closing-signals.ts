/** Stores that are closed when the process is told to end. */

/** Signals by which a process is told to end. */
export type ClosingSignal = "SIGTERM" | "SIGINT" | "SIGHUP";

export const CLOSING_SIGNALS: readonly ClosingSignal[] = ["SIGTERM", "SIGINT", "SIGHUP"];

interface Closable {
  close(): Promise<void>;
}

interface Watched {
  readonly stores: Set<Closable>;
  readonly listener: () => void;
}

/** One listener for all stores of the process: it ends when the last of them is closed. */
const watched = new Map<ClosingSignal, Watched>();

/**
 * Closes the store on any of the signals. Once all such stores are closed the process ends by that
 * signal, as it would have done at once, unless the program listens to it too: then it has the say.
 * A second signal does not wait any longer. Gives what undoes it.
 */
export function closeOnSignals(store: Closable, signals: readonly ClosingSignal[]): () => void {
  for (const signal of signals) watch(signal).stores.add(store);
  return () => {
    for (const signal of signals) forget(signal, store);
  };
}

function watch(signal: ClosingSignal): Watched {
  const known = watched.get(signal);
  if (known !== undefined) return known;
  const stores = new Set<Closable>();
  let closing = false;
  const end = (): void => {
    process.removeListener(signal, listener);
    if (watched.get(signal)?.stores === stores) watched.delete(signal);
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const listener = (): void => {
    if (closing) {
      end();
      return;
    }
    closing = true;
    // A failure was told already, and the lock is given back all the same.
    void Promise.allSettled([...stores].map((store) => store.close())).then(end);
  };
  const made = { stores, listener };
  watched.set(signal, made);
  process.on(signal, listener);
  return made;
}

function forget(signal: ClosingSignal, store: Closable): void {
  const known = watched.get(signal);
  if (known === undefined || !known.stores.delete(store) || known.stores.size > 0) return;
  process.removeListener(signal, known.listener);
  watched.delete(signal);
}
