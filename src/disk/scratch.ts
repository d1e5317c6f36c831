/** A directory for a moment. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In the system's place for such; whatever is in it goes with it. */
export async function inScratch<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await fs.mkdtemp(join(tmpdir(), "holdfast-"));
  try {
    return await use(directory);
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
}
