export function contentOf(step: number): Uint8Array;
