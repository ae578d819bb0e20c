/**
 * @file The worker that makes blocks of grown rows in shared memory: one weight after the other, its powers,
 * its numbers and its blocks in whatever order they are asked for.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { dataOf } from '../../base/errors.ts';
import { rowWork, type RowPlan, type RowWork } from '../../growth/apply/rows.ts';
import { allFinite, checkRange } from '../../tensor/range.ts';
import { fastBells } from './approximate-normals.ts';
import type { RowAnswer, RowMessage, RowTask, RowWeight } from './row-workers.ts';

const plan = workerData as RowPlan;
const draw = fastBells();
/** The weight at hand and the one after it, whose noise is drawn meanwhile. */
const known = new Map<number, { readonly weight: RowWeight; readonly work: RowWork }>();
let memory = new ArrayBuffer(0);
const room = (bytes: number): ArrayBuffer =>
  memory.byteLength < bytes ? (memory = new ArrayBuffer(bytes)) : memory;

/** The number that a task answers with; 0 where it has none. */
function done(task: RowTask): number {
  if (task.do === 'weight') {
    known.delete(task.of - 2);
    known.set(task.of, { weight: task, work: rowWork(task.recipe, plan, task.source, task.second, room) });
    return 0;
  }
  const { weight, work } = known.get(task.of)!;
  const { recipe, bells } = weight;
  if (task.do === 'finite')
    return Number(
      allFinite(weight.source.subarray(task.at, task.at + task.count)) &&
        (!weight.second || allFinite(weight.second.subarray(task.at, task.at + task.count))),
    );
  if (task.do === 'power') return work.noise!.power(task.index);
  if (task.do === 'draw') return draw(task.key, bells!.subarray(task.at, task.at + task.count), task.first);
  work.make(task.out, task, task.units ? { bells: bells!, units: task.units } : undefined);
  checkRange(
    new Uint8Array(task.out.buffer, task.out.byteOffset, task.out.byteLength),
    recipe.dtype,
    recipe.name,
  );
  return 0;
}

parentPort!.on('message', ({ id, task }: RowMessage) => {
  let answer: RowAnswer;
  try {
    answer = { id, value: done(task) };
  } catch (error) {
    answer = { id, error: dataOf(error) };
  }
  parentPort!.postMessage(answer);
});
