import { sampleTest } from "./sampling.js";

sampleTest("corruption-sample-a", 1, Number(process.env.HOLDFAST_SAMPLES ?? 2000));
