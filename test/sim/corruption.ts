import type { EngineRun } from "./engine.js";
export async function damage(_run: EngineRun): Promise<void> {}
