/** @file The rows together: a small grouped-query language model with a tied head, forward and backward. */
import { describe, expect, it } from 'vitest';
import * as b from '../../src-main/graph/ops/build.ts';
import { checkExportable, checkTrainable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { countFlops, analyzeLiveness } from '../../src-main/graph/passes/liveness.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { nodesOf, type Graph, type Value } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import { printGraph } from '../../src-main/graph/print.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import '../support/close.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import { runOnnx } from './run-onnx.ts';

const batch = 2;
const seq = 4;
const groups = 2;
const keyHeads = 2;
const width = 4;
const hidden = 6;
const ffn = 5;
const vocab = 7;

function model(): {
  readonly loss: Value;
  readonly weights: readonly Value[];
  readonly inputs: readonly Value[];
} {
  const tokens = b.input('tokens', 'int64', [batch, seq]);
  const targets = b.input('targets', 'int64', [batch, seq]);
  const weight = (name: string, ...shape: number[]): Value => b.input(name, 'float32', shape);
  const table = weight('table', vocab, hidden);
  const gain = weight('gain', hidden);
  const q = weight('q', keyHeads * groups * width, hidden);
  const k = weight('k', keyHeads * width, hidden);
  const v = weight('v', keyHeads * width, hidden);
  const o = weight('o', hidden, keyHeads * groups * width);
  const up = weight('up', ffn, hidden);
  const gate = weight('gate', ffn, hidden);
  const down = weight('down', hidden, ffn);
  const linear = (x: Value, w: Value): Value => b.matmul(x, w, { transB: true });
  const norm = (x: Value): Value =>
    b.mul(b.mul(x, b.reciprocal(b.sqrt(b.add(b.mean(b.square(x), [-1], { keepdim: true }), 1e-5)))), gain);
  const heads = (x: Value, ...lead: number[]): Value => {
    const split = b.reshape(x, [batch, seq, ...lead, width]);
    const rank = split.shape.length;
    return b.transpose(split, [0, ...lead.map((_, i) => i + 2), 1, rank - 1]);
  };
  const mask = b.lazyConstant('causal', 'float32', [seq, seq], () =>
    Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? -1e9 : 0)),
  );
  let x = b.gather(table, tokens);
  const y = norm(x);
  const scores = b.matmul(heads(linear(y, q), keyHeads, groups), heads(linear(y, k), keyHeads, 1), {
    transB: true,
    alpha: width ** -0.5,
  });
  const mixed = b.matmul(b.softmax(b.add(scores, mask)), heads(linear(y, v), keyHeads, 1));
  x = b.add(x, linear(b.reshape(b.transpose(mixed, [0, 3, 1, 2, 4]), [batch, seq, -1]), o));
  const z = norm(x);
  x = b.add(x, linear(b.mul(b.silu(linear(z, gate)), linear(z, up)), down));
  const loss = b.mean(b.crossEntropy(linear(norm(x), table), targets));
  return { loss, weights: [table, gain, q, k, v, o, up, gate, down], inputs: [tokens, targets] };
}

const { loss, weights, inputs } = model();
const feeds: Record<string, Tensor> = Object.fromEntries(
  weights.map((w, k) => [
    w.name!,
    tensor(
      w.shape,
      Array.from({ length: w.shape.reduce((n, s) => n * s, 1) }, (_, i) =>
        Math.fround(Math.sin(1 + 3 * i + 11 * k) * 0.7),
      ),
    ),
  ]),
);
inputs.forEach((v, k) => {
  feeds[v.name!] = tensor(
    v.shape,
    Array.from({ length: batch * seq }, (_, i) => (i * 3 + k) % vocab),
  );
});
const step: Graph = b.graphOf({
  loss,
  ...Object.fromEntries(grad(loss, weights).map((g, i) => [`d${weights[i]!.name!}`, g])),
});
const simple = simplify(step);
const exact = evaluate(Object.values(step.outputs), feeds);

describe('a small model', () => {
  it('is well formed, trainable and exportable, and its simplified form too', () => {
    for (const graph of [step, simple]) {
      checkWellFormed(graph, 'test');
      checkExportable(graph, 'cpu', 'test');
    }
    checkTrainable(loss, weights, 'test');
    checkExportable(lowerGraph(simple, 'webgpu'), 'webgpu', 'test');
  });

  it('has the gradients of finite differences', () => {
    weights.forEach((w, k) => {
      const places = [
        0,
        Math.floor(w.shape.reduce((n, s) => n * s, 1) / 2),
        w.shape.reduce((n, s) => n * s, 1) - 1,
      ];
      const lossAt = (i: number, by: number): number => {
        const data = feeds[w.name!]!.data.slice();
        data[i]! += by;
        return evaluate([loss], { ...feeds, [w.name!]: tensor(w.shape, data) })[0]!.data[0]!;
      };
      expect(places.map((i) => exact[k + 1]!.data[i]!)).toBeClose(
        places.map((i) => (lossAt(i, 1e-5) - lossAt(i, -1e-5)) / 2e-5),
        'differences',
      );
    });
  });

  it.each(['cpu', 'webgpu'] as const)(
    'runs on ONNX Runtime as written for %s, simplified or not',
    async (provider) => {
      for (const graph of [step, simple]) {
        const found = await runOnnx(graph, feeds, { provider });
        Object.keys(step.outputs).forEach((name, i) => {
          expect(found[name]!.data).toBeClose(exact[i]!.data, 'float32', exact[i]!.shape);
        });
      }
    },
  );

  it('becomes smaller and no hungrier by simplifying, with the products it had', () => {
    const count = (g: Graph): number => nodesOf(Object.values(g.outputs)).length;
    expect(count(simple)).toBeLessThan(count(step));
    expect(analyzeLiveness(simple).peakBytes).toBeLessThanOrEqual(analyzeLiveness(step).peakBytes);
    expect(countFlops(simple)).toBe(countFlops(step));
  });

  it('needs no transposed copy of a weight, and adds the embedding rows into the gradient of the head', () => {
    const nodes = nodesOf(Object.values(simple.outputs));
    const named = new Set(weights);
    expect(nodes.filter((n) => n.op.name === 'Transpose' && named.has(n.inputs[0]!))).toEqual([]);
    const scatter = nodes.find((n) => n.op.name === 'ScatterND')!;
    expect(scatter.inputs[0]!.node!.op.name).toBe('MatMul');
    expect(simple.outputs.dtable!.node).toBe(scatter);
  });

  it('prints equally when built again', () => {
    const again = model();
    expect(printGraph(simplify(b.graphOf({ loss: again.loss })))).toBe(
      printGraph(simplify(b.graphOf({ loss }))),
    );
  });

  it('costs three forward passes', () => {
    const forward = countFlops(b.graphOf({ loss }));
    expect(countFlops(step)).toBe(3 * forward);
  });
});
