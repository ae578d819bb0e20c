/** @file The table of all operators by name. */
import type { Op } from '../graph.ts';
import { activationOps } from './activation.ts';
import { decoderOps } from './decoder.ts';
import { elementwiseOps } from './elementwise.ts';
import { kernelOps } from './kernels/index.ts';
import { logicOps } from './logic.ts';
import { lookupOps } from './lookup.ts';
import { MatMul } from './matmul.ts';
import { movementOps } from './movement.ts';
import { normOps } from './norm.ts';
import { reduceOps } from './reduce.ts';
import { routingOps } from './routing.ts';
import { softmaxOps } from './softmax.ts';

const table = {
  ...logicOps,
  ...elementwiseOps,
  ...movementOps,
  ...reduceOps,
  MatMul,
  ...lookupOps,
  ...softmaxOps,
  ...activationOps,
  ...decoderOps,
  ...normOps,
  ...routingOps,
  ...kernelOps,
};

export type OpName = keyof typeof table;

/** Every operator. `emit` checks the attributes, so the table need not know their types. */
export const ops = table as unknown as Readonly<Record<OpName, Op>>;
