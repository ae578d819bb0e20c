/** @file Evaluates graphs in float64 by the reference implementation of each op. */
import { input, type Node, type Value } from '../../src-main/graph/graph.ts';
import { mapElements, tensor, type Tensor } from './dense-tensor.ts';
import { opSemantics, type Attributes } from './op-semantics.ts';

export { tensor, type Tensor } from './dense-tensor.ts';

/** The ops that `evaluate` knows. */
export const evaluatedOps = Object.keys(opSemantics);

/** Rounds to the nearest integer, ties to even. */
function roundHalfToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
function roundToFloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const magnitude = Math.abs(value);
  const step = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -14) - 10);
  const nearest = roundHalfToEven(magnitude / step) * step;
  return Math.sign(value) * (nearest > 65504 ? Infinity : nearest);
}
function roundToBfloat16(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const magnitude = Math.abs(value);
  const step = 2 ** (Math.floor(Math.log2(magnitude)) - 7);
  return Math.sign(value) * roundHalfToEven(magnitude / step) * step;
}
/** Half-precision values are rounded as a kernel stores them; all other dtypes stay in float64. */
function roundToDtype(value: Value, result: Tensor): Tensor {
  if (value.dtype === 'float16') return mapElements(result, roundToFloat16);
  if (value.dtype === 'bfloat16') return mapElements(result, roundToBfloat16);
  return result;
}

type Rounding = (value: number) => number;
const roundings: Readonly<Record<string, Rounding>> = { float16: roundToFloat16, bfloat16: roundToBfloat16 };

/** ONNX Runtime's CUDA kernels of the logistic function round after each step when they compute in half precision. */
function roundedSigmoid(x: number, round: Rounding): number {
  const positive = round(1 / round(1 + round(Math.exp(-Math.abs(x)))));
  return x > 0 ? positive : round(1 - positive);
}

/** Kernels of several steps, which round after each. Other kernels round when they store their result. */
const roundedSteps: Readonly<Record<string, (x: number, round: Rounding) => number>> = {
  Sigmoid: roundedSigmoid,
  Silu: (x, round) => round(x * roundedSigmoid(x, round)),
};

/** The outputs of an operator that a kernel of our own computes, by the operators that define it. */
function interpret({ op, attrs, inputs }: Node, tensors: readonly Tensor[]): readonly Tensor[] {
  const values = inputs.map((v, i) => input(`in${i}`, v.dtype, v.shape));
  const feeds = Object.fromEntries(tensors.map((t, i) => [`in${i}`, t]));
  return evaluate(op.lower!(values, attrs), feeds);
}

function computeNode(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
  const { op, attrs, outputs } = node;
  if (op.kernel) return interpret(node, inputs);
  const compute = opSemantics[op.name];
  if (!compute) throw new Error(`op-semantics.ts does not define ${op.name}`);
  const round = roundings[outputs[0]!.dtype];
  const steps = roundedSteps[op.name];
  if (round && steps) return [mapElements(inputs[0]!, (x) => steps(x, round))];
  return [compute(inputs, attrs as unknown as Attributes)].flat() as readonly Tensor[];
}

/** Computes `values` of a graph, given its inputs by name. */
export function evaluate(
  values: readonly Value[],
  feeds: Readonly<Record<string, Tensor>>,
): readonly Tensor[] {
  const results = new Map<Value, Tensor>();
  const leaf = (value: Value): Tensor => {
    if (value.constant) return roundToDtype(value, tensor(value.shape, value.constant.values()));
    const feed = feeds[value.name!];
    if (!feed) throw new Error(`no feed for the input ${value.name ?? '(unnamed)'}`);
    return feed;
  };
  const visit = (value: Value): Tensor => {
    const known = results.get(value);
    if (known) return known;
    if (!value.node) {
      const result = leaf(value);
      results.set(value, result);
      return result;
    }
    const { inputs, outputs } = value.node;
    const computed = computeNode(value.node, inputs.map(visit));
    outputs.forEach((output, i) => results.set(output, roundToDtype(output, computed[i]!)));
    return results.get(value)!;
  };
  // In the order in which they were made, so that deep graphs do not recurse deeply.
  for (const value of [...values].sort((a, b) => a.id - b.id)) visit(value);
  return values.map(visit);
}
