/** @file FlashAttention's operator computes what attention in blocks computes, with its gradients. */
import { expect, it } from 'vitest';
import { input, type Value } from '../../src-main/graph/graph.ts';
import { sum, mul } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { attention } from '../../src-main/model/attention.ts';
import { nameAxes } from '../../src-main/model/named-value.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';

const cases = [
  ['all positions', {}],
  ['a window', { window: 3 }],
  ['a soft-cap', { softcap: 1.5 }],
] as const;

const [batch, seq, head] = [2, 6, 16];
const shapes = { q: [batch, seq, 2, 2, head], k: [batch, seq, 2, head], v: [batch, seq, 2, head] };

const feedOf = (shape: readonly number[], seed: number): Tensor => {
  const count = shape.reduce((n, size) => n * size, 1);
  return tensor(
    shape,
    Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i)),
  );
};

it.each(
  cases.flatMap(([title, options]) => [false, true].map((documents) => [title, documents, options] as const)),
)('with %s, documents %s', (_, hasDocuments, options) => {
  const [q, k, v] = (['q', 'k', 'v'] as const).map((name) => input(name, 'float32', shapes[name])) as [
    Value,
    Value,
    Value,
  ];
  const documents = hasDocuments ? input('documents', 'int32', [batch, seq]) : undefined;
  const ids = tensor(
    [batch, seq],
    Array.from({ length: batch * seq }, (_, i) => Math.floor((i % seq) / 4)),
  );
  const feeds = {
    ...Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, feedOf(shape, i)])),
    documents: ids,
  };
  const compute = (flash: boolean): readonly Tensor[] => {
    const output = attention(
      nameAxes(q, 'batch', 'seq', 'kv_heads', 'group', 'head_dim'),
      nameAxes(k, 'batch', 'seq', 'kv_heads', 'head_dim'),
      nameAxes(v, 'batch', 'seq', 'kv_heads', 'head_dim'),
      0.3,
      { ...options, documents, flash },
    );
    const order = ['batch', 'seq', 'kv_heads', 'group', 'head_dim'].map((axis) =>
      output.axes.indexOf(axis as 'batch'),
    );
    // The two have their axes in different orders: sums over powers do not depend on it.
    expect(order.every((at) => at >= 0)).toBe(true);
    const losses = [output.value, mul(output.value, output.value)].map((x) => sum(x));
    return evaluate([...losses, ...grad(losses[1]!, [q, k, v])], feeds);
  };
  const [fused, plain] = [compute(true), compute(false)];
  fused.forEach((t, i) => {
    t.data.forEach((x, j) => {
      expect(x).toBeCloseTo(plain[i]!.data[j]!, 9);
    });
  });
});
