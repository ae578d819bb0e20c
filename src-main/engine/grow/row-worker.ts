/** @file A worker thread of `RowWorkers`: keeps up to two weights and executes tasks on them in any order. */
import { parentPort, workerData } from 'node:worker_threads';
import { toErrorData } from '../../base/errors.ts';
import { createRowMaker, type RowContext, type RowMaker } from '../../growth/apply/row-maker.ts';
import { areAllFinite, checkOverflow } from '../../tensor/range.ts';
import { loadApproximateNormals } from './approximate-normals.ts';
import type { LoadTask, RowMessage, RowResponse, RowTask } from './row-workers.ts';

const context = workerData as RowContext;
const drawApproximateNormals = loadApproximateNormals();
/** The weight being computed, and the next one, whose noise is drawn meanwhile. */
const weights = new Map<number, { readonly task: LoadTask; readonly maker: RowMaker }>();
let buffer = new ArrayBuffer(0);

function getBuffer(bytes: number): ArrayBuffer {
  if (buffer.byteLength < bytes) buffer = new ArrayBuffer(bytes);
  return buffer;
}

/** Executes a task. Returns its result; 0 if it has none. */
function execute(task: RowTask): number {
  if (task.type === 'load') {
    weights.delete(task.weight - 2);
    const maker = createRowMaker(task.recipe, context, task.source, task.second, getBuffer);
    weights.set(task.weight, { task, maker });
    return 0;
  }
  const { task: weight, maker } = weights.get(task.weight)!;
  const { recipe, source, second, approximateNormals } = weight;
  switch (task.type) {
    case 'checkFinite': {
      const end = task.offset + task.count;
      const isFinite =
        areAllFinite(source.subarray(task.offset, end)) &&
        (!second || areAllFinite(second.subarray(task.offset, end)));
      return Number(isFinite);
    }
    case 'power':
      return maker.noise!.power(task.index);
    case 'draw': {
      const numbers = approximateNormals!.subarray(task.offset, task.offset + task.count);
      return drawApproximateNormals(task.key, numbers, task.first);
    }
    case 'block': {
      const { out, scales } = task;
      maker.make(out, task, scales ? { approximateNormals: approximateNormals!, scales } : undefined);
      const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
      checkOverflow(bytes, recipe.dtype, recipe.name);
      return 0;
    }
  }
}

parentPort!.on('message', ({ id, task }: RowMessage) => {
  let response: RowResponse;
  try {
    response = { id, value: execute(task) };
  } catch (error) {
    response = { id, error: toErrorData(error) };
  }
  parentPort!.postMessage(response);
});
