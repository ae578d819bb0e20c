/**
 * @file Every operator on every sample: ONNX Runtime and the float64 reference agree, gradients agree with
 * finite differences, and costs agree with those of the lowering.
 */
import { describe, expect, it } from 'vitest';
import { nodesOf, type Graph, type Op, type Value } from '../../../src-main/graph/graph.ts';
import { kernelOf, lowerGraph } from '../../../src-main/graph/onnx.ts';
import { ops, type OpName } from '../../../src-main/graph/ops/index.ts';
import { checkExportable, checkTrainable, checkWellFormed } from '../../../src-main/graph/passes/check.ts';
import { grad } from '../../../src-main/graph/passes/grad.ts';
import { countFlops } from '../../../src-main/graph/passes/liveness.ts';
import { toMixedPrecision } from '../../../src-main/graph/passes/mixed-precision.ts';
import { simplify } from '../../../src-main/graph/passes/simplify.ts';
import { providers } from '../../../src-main/graph/providers.ts';
import '../../support/close.ts';
import { evaluate, evaluatedOps, tensor } from '../../support/evaluate.ts';
import { buildSample, graphOfList, lossOf, samples, type BuiltSample } from '../op-samples.ts';
import { runOnnx } from '../run-onnx.ts';

/** Operators of forward passes, for which a gradient cannot be asked. */
const withoutGradient = ['CausalAttention'];

const table: readonly Op[] = Object.values(ops);
const namesOf = (some: readonly Op[]): string[] => some.map((op) => op.name).sort();

async function expectAgreement(
  graph: Graph,
  feeds: BuiltSample['feeds'],
  provider: 'cpu' | 'webgpu',
): Promise<void> {
  const results = await runOnnx(graph, feeds, { provider });
  const expected = evaluate(Object.values(graph.outputs), feeds);
  Object.entries(graph.outputs).forEach(([name, v], i) => {
    expect(results[name]!.shape).toEqual(v.shape);
    expect(results[name]!.data).toBeClose(expected[i]!.data, 'float32', v.shape);
  });
}

/** Central differences of the loss with respect to one input, in float64. */
function finiteDifferences(loss: Value, feeds: BuiltSample['feeds'], name: string): Float64Array {
  const step = 1e-5;
  const { shape, data } = feeds[name]!;
  const lossAt = (i: number, change: number): number => {
    const changed = data.slice();
    changed[i]! += change;
    return evaluate([loss], { ...feeds, [name]: tensor(shape, changed) })[0]!.data[0]!;
  };
  return data.map((_, i) => (lossAt(i, step) - lossAt(i, -step)) / (2 * step));
}

/** The float32 inputs that the outputs depend on through operators with a gradient. */
function differentiableInputs({ inputs, outputs }: BuiltSample): readonly Value[] {
  const reached = new Set(outputs.flatMap((v) => [...differentiableAncestors(v)]));
  return inputs.filter((v) => v.dtype === 'float32' && reached.has(v));
}
function differentiableAncestors(v: Value): ReadonlySet<Value> {
  if (v.dtype !== 'float32' && v.dtype !== 'float64') return new Set();
  const inputs = v.node?.op.backward ? v.node.inputs : [];
  return new Set([v, ...inputs.flatMap((x) => [...differentiableAncestors(x)])]);
}

describe('the operator table', () => {
  it('has samples and a float64 reference for every operator, under its own name', () => {
    expect(Object.keys(samples).sort()).toEqual(Object.keys(ops).sort());
    const interpreted = table.filter((op) => op.kernel).map((op) => op.name);
    expect([...evaluatedOps, ...interpreted].sort()).toEqual(Object.keys(ops).sort());
    for (const [name, op] of Object.entries(ops)) expect(op.name).toBe(name);
  });

  it('has a gradient rule for every operator, or declares that no gradient flows', () => {
    expect(namesOf(table.filter((op) => op.backward === undefined))).toEqual(withoutGradient);
  });
});

describe('costs', () => {
  it('count transcendental functions', () => {
    const once = ['Erf', 'Exp', 'Gelu', 'Log', 'Pow', 'Sigmoid', 'Silu', 'Tanh'];
    const twice = ['Attention', 'LogSoftmax', 'Softmax'];
    expect(namesOf(table.filter((op) => op.cost.functions === 1))).toEqual(once);
    expect(namesOf(table.filter((op) => op.cost.functions === 2))).toEqual(twice);
    expect(table.filter((op) => ![0, 1, 2].includes(op.cost.functions))).toEqual([]);
  });

  it('count extra passes of operators that run as several', () => {
    const several = table.filter((op) => op.cost.extraPasses !== null && op.cost.extraPasses > 0);
    expect(Object.fromEntries(several.map((op) => [op.name, op.cost.extraPasses]))).toEqual({
      Attention: 3,
      CrossEntropy: 2,
      LayerNorm: 3,
      RmsNorm: 3,
    });
  });

  it('count no traffic of views and matrix products', () => {
    const free = table.filter((op) => op.cost.extraPasses === null);
    expect(namesOf(free)).toEqual(namesOf(table.filter((op) => op.view || op.name === 'MatMul')));
  });

  it.each(Object.keys(samples) as OpName[])('of %s count the matrix products of its lowering', (name) => {
    for (const { inputs, outputs } of samples[name].map(buildSample)) {
      const graph = graphOfList(outputs, inputs);
      // Lowered twice: no fused product remains. Kernels of our own skip what a mask hides.
      const lowered = countFlops(lowerGraph(lowerGraph(graph, 'cpu'), 'webgpu'));
      if (ops[name].kernel) expect(countFlops(graph)).toBeLessThanOrEqual(lowered);
      else expect(countFlops(graph)).toBe(lowered);
    }
  });

  // The heads of the kernels' inputs have no axis of their own.
  it.each(table.filter((op) => op.cost.products && !op.kernel))(
    'of $name name the shortest side',
    ({ name }) => {
      for (const { outputs } of samples[name as OpName].map(buildSample)) {
        for (const { op, inputs, outputs: results, attrs } of nodesOf(outputs)) {
          if (op.name !== name) continue;
          const { smallestSide } = op.cost.products!(inputs, results[0]!, attrs);
          const sides = inputs.slice(0, 2).flatMap((v) => v.shape.slice(-2));
          expect(sides).toContain(smallestSide);
          if (name === 'MatMul') expect(smallestSide).toBe(Math.min(...sides));
        }
      }
    },
  );
});

describe('cast policies', () => {
  it('are those of the operators that may leave float32', () => {
    const byPolicy = (policy: Op['castPolicy']): string[] =>
      namesOf(table.filter((op) => op.castPolicy === policy));
    expect(byPolicy('low')).toEqual([
      'CausalAttention',
      'FlashAttention',
      'FlashKeyGradient',
      'FlashQueryGradient',
      'MatMul',
    ]);
    expect(byPolicy('store-low')).toEqual(['Softmax']);
    expect(byPolicy('store-bfloat16')).toEqual(['Gather']);
    expect(byPolicy('passthrough')).toEqual(['Identity', 'Reshape', 'Split']);
    expect(byPolicy('promote-bfloat16')).toEqual(['Div', 'Exp', 'ScatterElements', 'Sigmoid', 'Silu']);
    expect(byPolicy('promote')).toEqual([
      'Add',
      'AddLayerNorm',
      'AddRmsNorm',
      'AttentionDelta',
      'Concat',
      'CrossEntropyGradient',
      'Expand',
      'FusedCrossEntropy',
      'FusedLayerNorm',
      'FusedRmsNorm',
      'GatedActivation',
      'GatedActivationGradient',
      'LayerNormGradient',
      'Mul',
      'Neg',
      'Pad',
      'Relu',
      'RmsNormGradient',
      'Rotary',
      'Slice',
      'Sub',
      'Tanh',
      'Transpose',
      'Where',
    ]);
  });

  it.each(Object.keys(samples) as OpName[])('of %s give well-formed graphs with the same types', (name) => {
    for (const { inputs, outputs } of samples[name].map(buildSample)) {
      const graph = lowerGraph(graphOfList(outputs, inputs), 'cuda');
      for (const type of ['float16', 'bfloat16'] as const) {
        const mixed = toMixedPrecision(graph, type, 'cuda');
        checkWellFormed(mixed, 'mixed precision');
        for (const [output, v] of Object.entries(mixed.outputs)) {
          expect(v.dtype).toBe(graph.outputs[output]!.dtype);
          expect(v.shape).toEqual(graph.outputs[output]!.shape);
        }
      }
    }
  });
});

describe.each(Object.keys(samples) as OpName[])('%s', (name) => {
  const cases = samples[name].map((sample, i) => [i, buildSample(sample)] as const);

  it.each(cases)(
    'sample %i: ONNX Runtime agrees with the float64 reference, in the inferred shape',
    async (_, { inputs, outputs, feeds }) => {
      const graph = graphOfList(outputs, inputs);
      expect(nodesOf(outputs).map((node) => node.op.name)).toContain(name);
      checkWellFormed(graph, 'building');
      await expectAgreement(graph, feeds, 'cpu');
      await expectAgreement(simplify(graph), feeds, 'cpu');
    },
  );

  it.each(cases)(
    'sample %i: lowered for a provider with fewer operators, it gives the same',
    async (_, { inputs, outputs, feeds }) => {
      const graph = lowerGraph(graphOfList(outputs, inputs), 'webgpu');
      checkWellFormed(graph, 'lowering');
      checkExportable(graph, 'webgpu', 'lowering');
      for (const node of nodesOf(Object.values(graph.outputs))) {
        expect([...providers.webgpu.missingKernels, undefined]).not.toContain(kernelOf(node.op, node));
      }
      await expectAgreement(graph, feeds, 'webgpu');
    },
  );

  const differentiable = cases.filter(
    ([, sample]) =>
      ops[name].backward &&
      sample.outputs.some((v) => v.dtype === 'float32') &&
      differentiableInputs(sample).length > 0,
  );
  it.each(differentiable)('sample %i: gradients agree with finite differences', async (_, sample) => {
    const { inputs, outputs, feeds } = sample;
    const loss = lossOf(outputs)!;
    const wrt = differentiableInputs(sample);
    const gradients = grad(loss, wrt);
    checkTrainable(loss, wrt, 'building');
    const computed = evaluate(gradients, feeds);
    wrt.forEach((v, i) => {
      expect(gradients[i]!.shape).toEqual(v.shape);
      expect(gradients[i]!.dtype).toBe(v.dtype);
      expect(computed[i]!.data).toBeClose(finiteDifferences(loss, feeds, v.name!), 'differences', v.shape);
    });
    const graph = graphOfList(gradients, inputs);
    const simplified = simplify(graph);
    checkWellFormed(graph, 'grad');
    checkWellFormed(simplified, 'simplify');
    evaluate(Object.values(simplified.outputs), feeds).forEach((t, i) => {
      expect(t.data).toBeClose(computed[i]!.data, 'float64', t.shape);
    });
    await expectAgreement(simplified, feeds, 'cpu');
    await expectAgreement(simplified, feeds, 'webgpu');
  });
});
