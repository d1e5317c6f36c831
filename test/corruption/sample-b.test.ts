import { sampleTest } from "./sampling.js";

sampleTest("corruption-sample-b", 2, Number(process.env.HOLDFAST_SAMPLES ?? 2000));
