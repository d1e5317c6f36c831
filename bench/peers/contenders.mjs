// Who takes part, in the order in which they are shown and take turns.
import { installPeers } from "./install.mjs";

export const NAMES = [
  ...["floor", "holdfast", "lmdb", "better-sqlite3", "classic-level"],
  ...["rocksdb-js", "process-wal", "append"],
];

export const adapterUrl = (name) => new URL(`adapters/${name}.mjs`, import.meta.url).href;

/**
 * The contenders of a promise, "power" or "kill", among `names`: `{ name, title, version, adapter,
 * configuration, environment }`, or `{ name, title, missing }` where one cannot be had here.
 */
export async function contendersOf(promise, names = NAMES) {
  const adapters = await Promise.all(
    names.map(async (name) => ({ name, ...(await import(adapterUrl(name))) })),
  );
  const taking = adapters.filter((one) => one.promises[promise] !== undefined);
  const packages = [...new Set(taking.map((one) => one.packageName).filter(Boolean))];
  const installed = installPeers(packages);
  const contenders = taking.map((one) => {
    const found = one.packageName === undefined ? {} : installed[one.packageName];
    return {
      name: one.name,
      title: one.title,
      version: one.unversioned ? undefined : found.version,
      missing: found.missing,
      isFloor: one.floor === true,
      isBaseline: one.baseline === true,
      configuration: one.promises[promise].configuration,
      environment: one.environment ?? {},
      open: { promise },
    };
  });
  if (!names.includes("holdfast")) return contenders;
  return [...contenders, await variantOf(promise)];
}

/** holdfast set up otherwise: what answers before it is written, and what keeps all rows in memory. */
async function variantOf(promise) {
  const { IMPORTANT_CONFIGURATION, RESIDENT_CONFIGURATION } = await import(adapterUrl("holdfast"));
  const common = { adapter: "holdfast", isFloor: false, isVariant: true, environment: {} };
  if (promise === "kill") {
    return {
      ...{ ...common, name: "holdfast-important", title: "holdfast, tier important" },
      configuration: IMPORTANT_CONFIGURATION,
      open: { promise, tier: "important" },
    };
  }
  return {
    ...{ ...common, name: "holdfast-resident", title: "holdfast, resident tables" },
    configuration: RESIDENT_CONFIGURATION,
    groups: ["reads"],
    open: { promise, resident: true },
  };
}
