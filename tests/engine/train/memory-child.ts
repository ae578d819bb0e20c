/**
 * @file Trains the run of its first argument in this process and tells the most memory that it held; for
 * memory.test.ts.
 */
import { createAborter } from '../../../src-main/base/signals.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';

let last: unknown;
for await (const event of train({ run: process.argv[2]! }, createAborter().signal)) last = event;
console.log(JSON.stringify({ last, peak: process.resourceUsage().maxRSS * 1024 }));
