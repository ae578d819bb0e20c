/** @file Checks of graphs between passes. */
import { describe, expect, it } from 'vitest';
import { emitOne, type Graph, type Op, type Value } from '../../../src-main/graph/graph.ts';
import { streamingCost } from '../../../src-main/graph/op-cost.ts';
import { cast, graphOf, input, mul, sum } from '../../../src-main/graph/ops/build.ts';
import { checkExportable, checkTrainable, checkWellFormed } from '../../../src-main/graph/passes/check.ts';

/** An operator without a gradient rule, an ONNX node or a lowering. */
const Mystery: Op = {
  name: 'Mystery',
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([v]) => [v!],
  onnx: null,
};

const x = input('x', 'float32', [2, 3]);
const invalid = (node: unknown, why: unknown): Error =>
  expect.objectContaining({ code: 'graph/invalid', detail: { pass: 'pass', node, why } }) as Error;

describe('checkWellFormed', () => {
  const check = (graph: Graph) => (): void => {
    checkWellFormed(graph, 'pass');
  };

  it('accepts a graph that was just built', () => {
    expect(check(graphOf({ y: mul(x, 2) }))).not.toThrow();
  });

  it('rejects an input that is not listed', () => {
    const graph = { ...graphOf({ y: mul(x, 2) }), inputs: [] };
    expect(check(graph)).toThrow(invalid('Mul(float32[2, 3], float32[])', 'the input x is not listed'));
  });

  it('rejects two inputs, or an input and an output, with the same name', () => {
    const inputs = [x, input('x', 'int32', [])];
    expect(check({ ...graphOf({ y: mul(x, 2) }), inputs })).toThrow(invalid('x', expect.any(String)));
    expect(check(graphOf({ x: mul(x, 2) }))).toThrow(invalid('x', 'an input has the same name'));
  });

  it('rejects outputs of another type than the operator infers', () => {
    const { node } = mul(x, 2);
    const wrong: Value = { id: 1e9, dtype: 'float32', shape: [9] };
    const graph: Graph = {
      inputs: [x],
      outputs: { y: { ...wrong, node: { ...node!, outputs: [wrong] } } },
    };
    expect(check(graph)).toThrow(
      invalid(expect.stringContaining('Mul'), 'its outputs are float32[9] but should be float32[2, 3]'),
    );
  });
});

describe('checkTrainable', () => {
  const check = (loss: Value, wrt: readonly Value[]) => (): void => {
    checkTrainable(loss, wrt, 'pass');
  };

  it('accepts a loss with a gradient rule on every path', () => {
    expect(check(sum(mul(x, 2)), [x])).not.toThrow();
  });

  it('rejects an operator without a gradient rule', () => {
    expect(check(sum(emitOne(Mystery, [x], {})), [x])).toThrow(
      invalid('Mystery(float32[2, 3])', 'it has no gradient rule'),
    );
  });

  it('rejects a weight that the loss does not depend on', () => {
    expect(check(sum(x), [x, input('w', 'float32', [])])).toThrow(
      invalid('w', 'the loss does not depend on it'),
    );
  });
});

describe('checkExportable', () => {
  const bfloat16 = cast(x, 'bfloat16');
  const check = (y: Value, provider: 'cpu' | 'cuda') => (): void => {
    checkExportable(graphOf({ y }), provider, 'pass');
  };

  it('accepts types that the provider computes in, and casts of any type', () => {
    expect(check(cast(bfloat16, 'float32'), 'cpu')).not.toThrow();
    expect(check(mul(bfloat16, 2), 'cuda')).not.toThrow();
  });

  it('rejects a type that the provider does not compute in', () => {
    expect(check(mul(bfloat16, 2), 'cpu')).toThrow(
      invalid(expect.stringContaining('Mul(bfloat16'), 'cpu does not compute in bfloat16'),
    );
  });

  it('rejects an operator that the provider lacks', () => {
    expect(check(emitOne(Mystery, [x], {}), 'cpu')).toThrow(
      invalid('Mystery(float32[2, 3])', 'cpu has no such operator'),
    );
  });
});
