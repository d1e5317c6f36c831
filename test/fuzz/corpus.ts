/** Inputs that are kept: one a line, the name of the decoder and the bytes in hex. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("corpus", import.meta.url));

/** Of that decoder. Throws for a line that is none. */
export function corpusOf(name: string): Buffer[] {
  const found: Buffer[] = [];
  for (const file of readdirSync(FOLDER)
    .filter((one) => one.endsWith(".hex"))
    .sort()) {
    for (const line of readFileSync(join(FOLDER, file), "utf8").split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      const match = /^([a-z-]+) ([0-9a-f]*)$/.exec(line);
      if (match === null) throw new Error(`${file}: what is "${line.slice(0, 40)}"?`);
      if (match[1] === name) found.push(Buffer.from(match[2] as string, "hex"));
    }
  }
  return found;
}
