/**
 * @file Runs a graph of mixed precision on the CPU with the rounding of GPU kernels: each node computes in float32
 * and rounds what it stores to its own type.
 */
import { emit, type Graph, type Value } from '../../src-main/graph/graph.ts';
import { cast } from '../../src-main/graph/ops/build.ts';
import { lazyConstant } from '../../src-main/graph/graph.ts';
import { nodesOf } from '../../src-main/graph/graph.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';

const isLow = (dtype: DType): boolean => dtype === 'bfloat16' || dtype === 'float16';

/** `v` in float32, rounded to `dtype`. */
const roundTo = (v: Value, dtype: DType): Value => cast(cast(v, dtype), 'float32');

/** The same graph in float32, with the roundings of its types. */
export function roundLikeKernels(graph: Graph): Graph {
  const replacements = new Map<Value, Value>();
  const replacementOf = (v: Value): Value => {
    if (v.constant && isLow(v.dtype)) {
      const { constant } = v;
      const key = constant.key.slice(constant.key.indexOf(' ') + 1);
      return roundTo(
        lazyConstant(key, 'float32', v.shape, () => constant.values()),
        v.dtype,
      );
    }
    return replacements.get(v) ?? v;
  };
  for (const { op, inputs, outputs, attrs } of nodesOf(Object.values(graph.outputs))) {
    const exact = inputs.map(replacementOf);
    if (op.name === 'Cast' && (isLow(outputs[0]!.dtype) || isLow(inputs[0]!.dtype))) {
      const to = outputs[0]!.dtype;
      replacements.set(outputs[0]!, isLow(to) ? roundTo(exact[0]!, to) : cast(exact[0]!, to));
      continue;
    }
    const computed = emit(op, exact, attrs);
    outputs.forEach((v, i) => {
      const result = computed[i]!;
      const isStored = isLow(v.dtype) && !op.view;
      replacements.set(v, isStored ? roundTo(result, v.dtype) : result);
    });
  }
  const outputs = Object.entries(graph.outputs).map(([name, v]) => [name, replacementOf(v)] as const);
  return { inputs: graph.inputs, outputs: Object.fromEntries(outputs) };
}
