// Runs commands one after another in one process, as main.js runs each in its own: starting a process
// costs many times what most commands do. test/cli/main.test.ts starts real ones.
//
//   node command-server.mjs MAIN.JS
//
// Takes { args } from its parent and answers { code, stdout, stderr }.
import { pathToFileURL } from "node:url";

const main = pathToFileURL(process.argv[2]).href;
const program = process.argv.slice(0, 1);
// Each command adds listeners of its own, and counts on its process to end.
for (const stream of [process.stdout, process.stderr, process]) stream.setMaxListeners(0);

function capture(stream) {
  const write = stream.write;
  const parts = [];
  stream.write = (part) => {
    parts.push(Buffer.from(part));
    return true;
  };
  return () => {
    stream.write = write;
    return Buffer.concat(parts).toString();
  };
}

let count = 0;
process.on("message", async ({ args }) => {
  process.argv = [...program, process.argv[1], ...args];
  process.exitCode = undefined;
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  try {
    // Another address is another module: it runs again. What it imports is there already.
    await import(`${main}?${++count}`);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${error?.stack ?? error}\n`);
  }
  process.send({ code: process.exitCode ?? 0, stdout: stdout(), stderr: stderr() });
});
