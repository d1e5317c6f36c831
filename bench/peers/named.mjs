// Workloads by name, for those who look at one of them: what `compare` compares and `profile` profiles.

const ENGINE_TABLES = ["orders", "positions", "balances", "risk", "nonces", "quotes"];

/**
 * Each with the tables it needs, what comes before it once (`prepare`), one block of it (`run`), and
 * whether its figure is the middle of the block's latencies or the block's time for each operation.
 */
export function namedWorkloads({ scale = 1 } = {}) {
  const count = (n) => Math.max(20, Math.round(n * scale));
  const millis = Math.max(20, Math.round(250 * scale));
  const rows = count(50_000);
  const records = count(10_000);
  const of = (workload, params, figure) => ({
    tables: ENGINE_TABLES,
    prepare: [],
    run: [workload, params],
    figure,
  });
  const withState = (one) => ({ ...one, prepare: [["load", { rows }]] });
  const gets = (kind) => withState(of("gets", { kind, count: count(20_000), rows }, "operation"));
  const ycsb = (workload) => ({
    ...of("ycsb", { workload, records, millis }, "operation"),
    tables: ["usertable"],
    prepare: [["loadRecords", { records }]],
  });
  return {
    "put-sync": of("putSync", { count: count(200) }, "latency"),
    put: of("put", { count: count(200) }, "latency"),
    "writers-64": of("writers", { writers: 64, millis }, "operation"),
    "batch-1000": of("batches", { size: 1000, millis }, "operation"),
    fill: of("fill", { count: count(200) }, "latency"),
    replay: of("replay", { count: count(200), total: 20_000 }, "latency"),
    "get-hot": gets("hot"),
    "get-any": gets("any"),
    "get-absent": gets("absent"),
    scan: withState(of("scan", { rows }, "operation")),
    "ycsb-A": ycsb("A"),
    "ycsb-B": ycsb("B"),
    "ycsb-C": ycsb("C"),
    "ycsb-F": ycsb("F"),
  };
}

export const WORKLOAD_NAMES = Object.keys(namedWorkloads());

/** Throws, naming them, for a workload that there is not. */
export function checkWorkload(name) {
  if (WORKLOAD_NAMES.includes(name)) return;
  throw new Error(`there is no workload "${name}" among ${WORKLOAD_NAMES.join(", ")}`);
}
