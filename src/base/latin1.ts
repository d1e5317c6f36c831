/** Bytes as texts of one character each, and back, without a Buffer around the bytes. */
const { latin1Slice, latin1Write } = Buffer.prototype as Buffer & {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, text: string, offset: number, length: number): number;
};

/** bytes[start, end), each byte a character. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}

/** The other way round, to the beginning of `target`, which has room. */
export function writeLatin1(target: Uint8Array, text: string): void {
  latin1Write.call(target, text, 0, text.length);
}
