/** @file A process that works a few times, and leaves a trace of what it wrote. Its process id means nothing later. */
import { writeFileSync } from 'node:fs';
import { serialize } from 'node:v8';
import { operations, type Place } from '../operations/operation.ts';
import { startRecording } from './recorder.ts';

export interface RecordOrder {
  readonly operation: string;
  readonly place: Place;
  readonly works: number;
  /** Where the trace is written. */
  readonly trace: string;
}

const { operation, place, works, trace } = JSON.parse(process.argv[2]!) as RecordOrder;
const { work } = await operations[operation]!();
const recorder = await startRecording(place.root);
for (let n = 1; n <= works; n++) {
  recorder.mark('begun', n);
  await work(place, { begun: n, done: n - 1, completed: n - 1 });
  recorder.mark('done', n);
}
writeFileSync(trace, serialize(recorder.finish()));
process.exit();
