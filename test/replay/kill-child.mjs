// `holdfast replay` and nothing else, so that a test can kill it.
import { Command } from "commander";
import { registerReplay } from "../../dist/cli/replay.js";

const program = new Command();
registerReplay(program);
await program.parseAsync(["replay", ...process.argv.slice(2)], { from: "user" });
