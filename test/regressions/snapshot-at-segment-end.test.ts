/**
 * Replay was to begin at the very end of a full segment, which nothing needs then. While that was
 * being archived, a snapshot was taken that named it, and the manifest without it was never right
 * again: archiving stopped for good.
 */
import { expect, test } from "vitest";
import { unneededSegments } from "../../src/snapshot/position.js";
import { withoutSegments } from "../../src/snapshot/publication.js";
import { withSnapshot } from "../../src/store/snapshots.js";
import { manifest } from "../manifest/content.js";

test("a snapshot names no segment that may be on its way out", () => {
  const end = { segmentId: 4, offset: 16384, sequence: 101, frameChecksum: 7 };
  const before = { ...manifest, snapshots: [], state: { ...manifest.state, replayFrom: end } };
  const gone = unneededSegments(before);
  expect(gone.map(({ id }) => id)).toEqual([3, 4]);
  const [snapshot] = withSnapshot(before, "now", 112, { segmentId: 6, bytes: 0 }, 1).snapshots;
  expect(snapshot?.segments).toEqual([6]);
  expect(snapshot?.state.replayFrom).toEqual({ ...end, segmentId: 6, offset: 4096 });
  const without = withoutSegments(before, gone);
  expect(without.state.replayFrom).toEqual(snapshot?.state.replayFrom);
});
