/**
 * What loading the package takes in a process that has just begun, in milliseconds: each time a
 * process of its own, the two in turns where a second build is given.
 * Run: npm run build && node bench/micro/import.mjs [dist/index.js of another build] [rounds]
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [other, rounds = "15"] = process.argv.slice(2);
const builds = ["dist/index.js", ...(other === undefined ? [] : [other])];
const PROGRAM = `
  const start = performance.now();
  await import(process.argv[1]);
  console.log(performance.now() - start);
`;

function load(build) {
  const url = pathToFileURL(resolve(build)).href;
  const args = ["--input-type=module", "-e", PROGRAM, url];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (stderr !== "") throw new Error(stderr);
  return Number(stdout);
}

const millis = new Map(builds.map((build) => [build, []]));
for (let round = 0; round < Number(rounds); round++) {
  for (const build of builds) millis.get(build).push(load(build));
}
for (const [build, all] of millis) {
  all.sort((a, b) => a - b);
  const [least, median, most] = [0, all.length >> 1, all.length - 1].map((i) => all[i].toFixed(1));
  console.log(`${build}: median ${median} ms, least ${least}, most ${most}`);
}
