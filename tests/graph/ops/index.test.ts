/**
 * @file Every op and every sample of it: ONNX Runtime, the float64 meaning and `infer` agree; gradients agree
 * with finite differences of the meaning.
 */
import { describe, expect, it } from 'vitest';
import { add, constant, input, mul, sum } from '../../../src-main/graph/ops/build.ts';
import { checkExportable, checkTrainable, checkWellFormed } from '../../../src-main/graph/passes/check.ts';
import { grad } from '../../../src-main/graph/passes/grad.ts';
import { graphOf, nodesOf, type Graph, type Value } from '../../../src-main/graph/graph.ts';
import { lowerGraph } from '../../../src-main/graph/onnx.ts';
import { ops } from '../../../src-main/graph/ops/index.ts';
import { lacks } from '../../../src-main/graph/providers.ts';
import { simplify } from '../../../src-main/graph/passes/simplify.ts';
import '../../support/close.ts';
import { evaluate, evaluatedOps, tensor, type Tensor } from '../../support/evaluate.ts';
import { samples, type Sample } from '../op-samples.ts';
import { runOnnx } from '../run-onnx.ts';

/** Rows with neither a rule nor a refusal to have one: none. A row joins this list by name or not at all. */
const withoutGradient: readonly string[] = [];

interface Case {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly feeds: Readonly<Record<string, Tensor>>;
}

function caseOf({ feeds, make }: Sample): Case {
  const inputs = feeds.map(({ dtype, value }, i) => input(`x${i}`, dtype, value.shape));
  return {
    inputs,
    outputs: [make(...inputs)].flat() as readonly Value[],
    feeds: Object.fromEntries(feeds.map(({ value }, i) => [`x${i}`, value])),
  };
}

const named = (outputs: readonly Value[], inputs?: readonly Value[]): Graph =>
  graphOf(Object.fromEntries(outputs.map((v, i) => [`y${i}`, v])), inputs);

/** A scalar that gives every element of every float output its own weight. */
function lossOf(outputs: readonly Value[]): Value {
  const parts = outputs
    .filter((v) => v.dtype === 'float32')
    .map((v, k) => {
      const count = v.shape.reduce((n, s) => n * s, 1);
      return sum(
        mul(
          v,
          constant(
            Float64Array.from({ length: count }, (_, i) => Math.fround(Math.cos(1 + i + 7 * k))),
            'float32',
            v.shape,
          ),
        ),
      );
    });
  return parts.reduce((a, b) => add(a, b));
}

async function agrees(graph: Graph, feeds: Case['feeds'], provider: 'cpu' | 'webgpu'): Promise<void> {
  const results = await runOnnx(graph, feeds, { provider });
  const expected = evaluate(Object.values(graph.outputs), feeds);
  Object.entries(graph.outputs).forEach(([name, v], i) => {
    expect(results[name]!.shape).toEqual(v.shape);
    expect(results[name]!.data).toBeClose(expected[i]!.data, 'float32', v.shape);
  });
}

/** Central differences of the loss by one input, in float64. */
function differences(loss: Value, feeds: Case['feeds'], name: string): Float64Array {
  const step = 1e-5;
  const { shape, data } = feeds[name]!;
  const lossAt = (i: number, by: number): number => {
    const moved = data.slice();
    moved[i]! += by;
    return evaluate([loss], { ...feeds, [name]: tensor(shape, moved) })[0]!.data[0]!;
  };
  return data.map((_, i) => (lossAt(i, step) - lossAt(i, -step)) / (2 * step));
}

describe('the op table', () => {
  it('has samples and a meaning for every row, under its own name', () => {
    expect(Object.keys(samples).sort()).toEqual(Object.keys(ops).sort());
    expect([...evaluatedOps].sort()).toEqual(Object.keys(ops).sort());
    for (const [name, op] of Object.entries(ops)) expect(op.name).toBe(name);
  });

  it('has for every row a gradient, a null rule, or a place on the list of those without', () => {
    expect(
      Object.values(ops)
        .filter((op) => op.backward === undefined)
        .map((op) => op.name),
    ).toEqual(withoutGradient);
  });
});

describe.each(Object.keys(samples) as (keyof typeof samples)[])('%s', (name) => {
  const cases = samples[name].map((sample, i) => [i, caseOf(sample)] as const);

  it.each(cases)(
    'sample %i: ONNX Runtime computes what the float64 meaning says, in the shape that was inferred',
    async (_, { inputs, outputs, feeds }) => {
      const graph = named(outputs, inputs);
      expect(nodesOf(outputs).map((n) => n.op.name)).toContain(name);
      checkWellFormed(graph, 'building');
      await agrees(graph, feeds, 'cpu');
      await agrees(simplify(graph), feeds, 'cpu');
    },
  );

  it.each(cases)(
    'sample %i: written for a provider with fewer operators it is the same',
    async (_, { inputs, outputs, feeds }) => {
      const graph = lowerGraph(named(outputs, inputs), 'webgpu');
      checkWellFormed(graph, 'lowering');
      checkExportable(graph, 'webgpu', 'lowering');
      for (const node of nodesOf(Object.values(graph.outputs)))
        expect([...lacks.webgpu, undefined]).not.toContain(
          node.op.onnx === null ? undefined : (node.op.onnx?.(node).op ?? node.op.name),
        );
      await agrees(graph, feeds, 'webgpu');
    },
  );

  it.each(
    cases.filter(
      ([, c]) => ops[name].backward && c.outputs.some((v) => v.dtype === 'float32') && gradable(c).length,
    ),
  )('sample %i: gradients are those of finite differences', async (_, c) => {
    const loss = lossOf(c.outputs);
    const wrt = gradable(c);
    const gradients = grad(loss, wrt);
    const { feeds } = c;
    checkTrainable(loss, wrt, 'building');
    const found = evaluate(gradients, feeds);
    wrt.forEach((v, i) => {
      expect(gradients[i]!.shape).toEqual(v.shape);
      expect(gradients[i]!.dtype).toBe(v.dtype);
      expect(found[i]!.data).toBeClose(differences(loss, feeds, v.name!), 'differences', v.shape);
    });
    const graph = named(gradients, c.inputs);
    const simple = simplify(graph);
    checkWellFormed(graph, 'grad');
    checkWellFormed(simple, 'simplify');
    evaluate(Object.values(simple.outputs), feeds).forEach((t, i) => {
      expect(t.data).toBeClose(found[i]!.data, 'float64', t.shape);
    });
    await agrees(simple, feeds, 'cpu');
    await agrees(simple, feeds, 'webgpu');
  });
});

/** The float inputs that the loss can depend on smoothly. */
function gradable({ inputs, outputs }: Case): readonly Value[] {
  const reached = new Set(outputs.flatMap((v) => [...smooth(v)]));
  return inputs.filter((v) => v.dtype === 'float32' && reached.has(v));
}
function smooth(v: Value): ReadonlySet<Value> {
  if (v.dtype !== 'float32' && v.dtype !== 'float64') return new Set();
  return new Set([v, ...(v.node?.op.backward ? v.node.inputs.flatMap((x) => [...smooth(x)]) : [])]);
}
