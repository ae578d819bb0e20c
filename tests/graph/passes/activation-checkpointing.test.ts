/**
 * @file Activation checkpointing on small graphs. Whole training programs are tested with the training step.
 */
import { describe, expect, it } from 'vitest';
import { nodesOf, type Node, type Value } from '../../../src-main/graph/graph.ts';
import {
  add,
  attend,
  gather,
  graphOf,
  input,
  matmul,
  silu,
  softmax,
  square,
  sum,
  tanh,
} from '../../../src-main/graph/ops/build.ts';
import {
  attentionSegments,
  blockSegments,
  recomputeSegments,
  resolveCheckpointing,
} from '../../../src-main/graph/passes/activation-checkpointing.ts';
import { checkWellFormed } from '../../../src-main/graph/passes/check.ts';
import { grad } from '../../../src-main/graph/passes/grad.ts';
import { countFlops } from '../../../src-main/graph/passes/liveness.ts';
import { evaluate, tensor } from '../../support/evaluate.ts';

const tokens = input('tokens', 'int64', [4]);
const embedding = input('embedding', 'float32', [5, 4]);
const x = gather(embedding, tokens);
const w0 = input('w0', 'float32', [4, 4]);
const w1 = input('w1', 'float32', [4, 4]);
const opNames = (nodes: readonly Node[]): string[] => nodes.map((node) => node.op.name);
const elements = (count: number, shift: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i + shift));
const feeds = {
  tokens: tensor([4], [3, 0, 4, 3]),
  embedding: tensor([5, 4], elements(20, 1)),
  w0: tensor([4, 4], elements(16, 2)),
  w1: tensor([4, 4], elements(16, 3)),
};

describe('resolveCheckpointing', () => {
  it('recomputes attention for long contexts under auto', () => {
    expect(resolveCheckpointing('auto', 511)).toBe('off');
    expect(resolveCheckpointing('auto', 512)).toBe('attention');
  });

  it('keeps an explicit setting', () => {
    expect(resolveCheckpointing('off', 4096)).toBe('off');
    expect(resolveCheckpointing('full', 8)).toBe('full');
  });
});

describe('attentionSegments', () => {
  it('finds attention as one operator', () => {
    const out = attend(x, w0, w1, input('mask', 'float32', [4, 4]), 1);
    expect(attentionSegments([tanh(out)]).map(opNames)).toEqual([['Attention']]);
  });

  it('finds attention as several operators, from product to product', () => {
    const scores = add(matmul(x, w0, { transB: true }), 1);
    const out = tanh(matmul(softmax(scores), w1));
    expect(attentionSegments([out]).map(opNames)).toEqual([['MatMul', 'Add', 'Softmax', 'MatMul']]);
  });
});

/** Two blocks, each a product with its own weight and a SiLU. */
const layers = new Map([
  [embedding, -1],
  [w0, 0],
  [w1, 1],
]);
const hidden = silu(matmul(x, w0));
const output = silu(matmul(hidden, w1));
const loss = sum(square(output));

describe('blockSegments', () => {
  it('cuts between the blocks', () => {
    const segments = blockSegments([output], (v) => layers.get(v));
    expect(segments.map(opNames)).toEqual([
      ['MatMul', 'Silu'],
      ['MatMul', 'Silu'],
    ]);
  });

  it('is empty without layers', () => {
    expect(blockSegments([output], () => undefined)).toEqual([]);
  });
});

describe('recomputeSegments', () => {
  const segments = blockSegments([loss], (v) => layers.get(v));
  const kept = grad(loss, [w0, w1]);
  const recomputed = grad(loss, [w0, w1], { recompute: recomputeSegments(segments, [loss]) });
  const graphWith = (gradients: readonly Value[]) => graphOf({ loss, g0: gradients[0]!, g1: gradients[1]! });

  it('gives the same gradients', () => {
    checkWellFormed(graphWith(recomputed), 'recompute');
    expect(evaluate(recomputed, feeds)).toEqual(evaluate(kept, feeds));
  });

  it('repeats products of the forward pass', () => {
    expect(countFlops(graphWith(recomputed))).toBeGreaterThan(countFlops(graphWith(kept)));
  });

  it('recomputes a segment once, however many of its nodes need it', () => {
    const products = (gradients: readonly Value[]): number =>
      nodesOf(Object.values(graphWith(gradients).outputs)).filter((n) => n.op.name === 'MatMul').length;
    expect(products(recomputed) - products(kept)).toBe(segments.length);
  });
});
