/** The names of archives: one for each segment that is kept for its history. */

/** File name of a segment's archive: 16 digits, as in the segment's own. */
export function archiveFileName(segmentId: number): string {
  return `${String(segmentId).padStart(16, "0")}.archive`;
}

/** The segment's id in an archive's name, or undefined for any other name. */
export function parseArchiveFileName(name: string): number | undefined {
  const match = /^(\d{16})\.archive$/.exec(name);
  if (match === null) return undefined;
  const id = Number(match[1]);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
