/**
 * Seeds that once failed, and what they found. Replayed at every run; never removed. What a seed does
 * changes with the simulator: the bugs themselves have tests of their own, mostly in test/regressions.
 */
export const REGRESSIONS: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 35, found: "the directory of a new store was not durable: a power loss took all of it" },
  { seed: 98, found: "an opening cut short twice left a header that refused every later opening" },
  {
    seed: 4,
    found: "a half-failed change of the manifest was taken for another writer's (FENCED)",
  },
  {
    seed: 292,
    found: "a close that could not flush cached rows left its waiters waiting for ever",
  },
  { seed: 798, found: "the manifest named a table before the log did" },
  { seed: 1034, found: "one bad read of a manifest slot made the older one the newest" },
  { seed: 2442, found: "a torn frame at the end of a grown file was sealed beyond the file's end" },
  { seed: 63, found: "stray segments were removed although the store was then refused" },
  { seed: 93, found: "stray segments were removed although the store was then refused" },
  { seed: 1846, found: "damage at the beginning of a segment was said to be in the one before" },
  { seed: 3, found: "ranges passed over rows that had come back into memory" },
  { seed: 44, found: "a snapshot named a segment that was being archived" },
  { seed: 21, found: "writers were stopped for ever by a log of padding" },
  { seed: 22, found: "a closed store did not miss its spares" },
  { seed: 127, found: "a view showed an older row that another view had kept" },
  { seed: 126, found: "a segment in use was given up with a change that had failed" },
  { seed: 170, found: "an archive that might be named was cut to nothing, to be made again" },
  { seed: 464, found: "two snapshots without a name got the same one" },
  {
    seed: 3180,
    found:
      "a deletion that was replayed was forgotten, and a run that ended before it brought it back",
  },
  { seed: 3743, found: "an older manifest of a closed store hid what a later opening wrote" },
];
