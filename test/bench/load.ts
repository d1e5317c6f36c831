/** The benchmarks are plain JavaScript, without types: loaded as they are. */
export function loadBench(name: string) {
  return import(new URL(`../../bench/${name}.mjs`, import.meta.url).href);
}
