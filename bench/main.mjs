// The benchmarks: `npm run bench -- NAME [options]`. Run them on a machine that does nothing else.
import { durable } from "./durable.mjs";

const BENCHES = { durable };

const USAGE = `npm run bench -- NAME [--dir DIR] [--quick] [--json] [--check]

  durable   one durable put against the floor of the device, sync and awaited; 64 writers; batches;
            the CPU that a put takes; the bytes that reach the device

  --dir DIR  where to measure (default: .tmp/bench in this checkout)
  --quick    a tenth of the samples
  --json     one JSON object instead of tables
  --check    exit with 1 if a target is missed
`;

const [name, ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(USAGE);
  process.exit(name === undefined || name === "--help" ? 0 : 2);
}
await bench(rest);
