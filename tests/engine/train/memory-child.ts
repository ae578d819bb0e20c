/** @file Trains a run in this process. Prints its last event and the peak memory of the process in bytes. */
import { createAborter } from '../../../src-main/base/signals.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';

const run = process.argv[2]!;
let last: unknown;
for await (const event of train({ run }, createAborter().signal)) last = event;
console.log(JSON.stringify({ last, peak: process.resourceUsage().maxRSS * 1024 }));
