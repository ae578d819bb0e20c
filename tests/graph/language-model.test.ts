/**
 * @file Operators and passes together: a small grouped-query language model with a tied head, forward and
 * backward.
 */
import { describe, expect, it } from 'vitest';
import { countOf, nodesOf, type Graph, type Node, type Value } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import * as b from '../../src-main/graph/ops/build.ts';
import { checkExportable, checkTrainable, checkWellFormed } from '../../src-main/graph/passes/check.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { analyzeLiveness, countFlops } from '../../src-main/graph/passes/liveness.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';
import { printGraph } from '../../src-main/graph/print.ts';
import '../support/close.ts';
import { evaluate, tensor, type Tensor } from '../support/evaluate.ts';
import { runOnnx } from './run-onnx.ts';

const batch = 2;
const seq = 4;
const queriesPerKey = 2;
const kvHeads = 2;
const headDim = 4;
const hidden = 6;
const ffn = 5;
const vocab = 7;

interface Model {
  readonly loss: Value;
  readonly weights: readonly Value[];
  readonly inputs: readonly Value[];
}

/** One decoder layer between an embedding and a head that share their table. */
function buildModel(): Model {
  const tokens = b.input('tokens', 'int64', [batch, seq]);
  const targets = b.input('targets', 'int64', [batch, seq]);
  const weight = (name: string, ...shape: number[]): Value => b.input(name, 'float32', shape);
  const table = weight('table', vocab, hidden);
  const gain = weight('gain', hidden);
  const q = weight('q', kvHeads * queriesPerKey * headDim, hidden);
  const k = weight('k', kvHeads * headDim, hidden);
  const v = weight('v', kvHeads * headDim, hidden);
  const o = weight('o', hidden, kvHeads * queriesPerKey * headDim);
  const up = weight('up', ffn, hidden);
  const gate = weight('gate', ffn, hidden);
  const down = weight('down', hidden, ffn);
  const linear = (x: Value, w: Value): Value => b.matmul(x, w, { transB: true });
  const norm = (x: Value): Value => {
    const meanSquare = b.mean(b.square(x), [-1], { keepdim: true });
    return b.mul(b.mul(x, b.reciprocal(b.sqrt(b.add(meanSquare, 1e-5)))), gain);
  };
  const heads = (x: Value, ...lead: number[]): Value => {
    const split = b.reshape(x, [batch, seq, ...lead, headDim]);
    const rank = split.shape.length;
    return b.transpose(split, [0, ...lead.map((_, i) => i + 2), 1, rank - 1]);
  };
  const mask = b.lazyConstant('causal', 'float32', [seq, seq], () =>
    Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? -1e9 : 0)),
  );
  let x = b.gather(table, tokens);
  const y = norm(x);
  const scores = b.matmul(heads(linear(y, q), kvHeads, queriesPerKey), heads(linear(y, k), kvHeads, 1), {
    transB: true,
    alpha: headDim ** -0.5,
  });
  const mixed = b.matmul(b.softmax(b.add(scores, mask)), heads(linear(y, v), kvHeads, 1));
  x = b.add(x, linear(b.reshape(b.transpose(mixed, [0, 3, 1, 2, 4]), [batch, seq, -1]), o));
  const z = norm(x);
  x = b.add(x, linear(b.mul(b.silu(linear(z, gate)), linear(z, up)), down));
  const loss = b.mean(b.crossEntropy(linear(norm(x), table), targets));
  return { loss, weights: [table, gain, q, k, v, o, up, gate, down], inputs: [tokens, targets] };
}

const { loss, weights, inputs } = buildModel();
const feeds: Record<string, Tensor> = Object.fromEntries(
  weights.map((w, k) => [
    w.name!,
    tensor(
      w.shape,
      Array.from({ length: countOf(w.shape) }, (_, i) => Math.fround(Math.sin(1 + 3 * i + 11 * k) * 0.7)),
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
const simplified = simplify(step);
const expected = evaluate(Object.values(step.outputs), feeds);

describe('a small language model', () => {
  it('is well formed, trainable and exportable, also when simplified', () => {
    for (const graph of [step, simplified]) {
      checkWellFormed(graph, 'test');
      checkExportable(graph, 'cpu', 'test');
    }
    checkTrainable(loss, weights, 'test');
    checkExportable(lowerGraph(simplified, 'webgpu'), 'webgpu', 'test');
  });

  it('has gradients that agree with finite differences', () => {
    weights.forEach((w, k) => {
      const count = countOf(w.shape);
      const indices = [0, Math.floor(count / 2), count - 1];
      const lossAt = (i: number, change: number): number => {
        const data = feeds[w.name!]!.data.slice();
        data[i]! += change;
        return evaluate([loss], { ...feeds, [w.name!]: tensor(w.shape, data) })[0]!.data[0]!;
      };
      expect(indices.map((i) => expected[k + 1]!.data[i]!)).toBeClose(
        indices.map((i) => (lossAt(i, 1e-5) - lossAt(i, -1e-5)) / 2e-5),
        'differences',
      );
    });
  });

  it.each(['cpu', 'webgpu'] as const)(
    'runs on ONNX Runtime as lowered for %s, simplified or not',
    async (provider) => {
      for (const graph of [step, simplified]) {
        const results = await runOnnx(graph, feeds, { provider });
        Object.keys(step.outputs).forEach((name, i) => {
          expect(results[name]!.data).toBeClose(expected[i]!.data, 'float32', expected[i]!.shape);
        });
      }
    },
  );

  it('becomes smaller by simplifying, with the same products and no more memory', () => {
    const count = (g: Graph): number => nodesOf(Object.values(g.outputs)).length;
    expect(count(simplified)).toBeLessThan(count(step));
    expect(analyzeLiveness(simplified).peakBytes).toBeLessThanOrEqual(analyzeLiveness(step).peakBytes);
    expect(countFlops(simplified)).toBe(countFlops(step));
  });

  it('transposes no weight, and scatters the embedding gradient into the gradient of the head', () => {
    const nodes = nodesOf(Object.values(simplified.outputs));
    const isTransposedWeight = (node: Node): boolean =>
      node.op.name === 'Transpose' && weights.includes(node.inputs[0]!);
    expect(nodes.filter(isTransposedWeight)).toEqual([]);
    const scatter = nodes.find((n) => n.op.name === 'ScatterND')!;
    expect(scatter.inputs[0]!.node!.op.name).toBe('MatMul');
    expect(simplified.outputs.dtable!.node).toBe(scatter);
  });

  it('prints the same text when it is built again', () => {
    const again = buildModel();
    expect(printGraph(simplify(b.graphOf({ loss: again.loss })))).toBe(
      printGraph(simplify(b.graphOf({ loss }))),
    );
  });

  it('costs as many FLOPs as three forward passes', () => {
    const forward = countFlops(b.graphOf({ loss }));
    expect(countFlops(step)).toBe(3 * forward);
  });
});
