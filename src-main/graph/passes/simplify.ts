/**
 * @file Simplifies a graph without changing its values: drops neutral elements, merges movements and factors,
 * and shares equal nodes.
 */
import {
  constant,
  emit,
  emitOne,
  formatAttrs,
  scalarOf,
  type Graph,
  type Node,
  type Value,
} from '../graph.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { div, mul } from '../ops/elementwise.ts';
import { cast } from '../ops/logic.ts';
import { MatMul, type MatMulAttrs } from '../ops/matmul.ts';
import { concat, expand, reshape, transpose } from '../ops/movement.ts';
import { broadcastShape, normalizeAxes, sameShape } from '../shapes.ts';
import { rewrite } from './rewrite.ts';

/** A cheaper value that equals the output of `node`; undefined if the rule does not apply. */
type Simplification = (inputs: readonly Value[], node: Node) => Value | undefined;

/** The inputs of the node that computes `v`, if it has the operator `op`. */
const inputsOf = (v: Value, op: string): readonly Value[] | undefined =>
  v.node?.op.name === op ? v.node.inputs : undefined;

const permOf = (node: Node): readonly number[] => node.attrs.perm as readonly number[];

/** The other operand, if one of `sides` is `neutral` and does not change the shape. */
const dropNeutral =
  (neutral: number, sides: readonly number[]): Simplification =>
  (inputs, { outputs: [output] }) => {
    const side = sides.find(
      (i) => scalarOf(inputs[i]!) === neutral && sameShape(inputs[1 - i]!.shape, output!.shape),
    );
    return side === undefined ? undefined : inputs[1 - side];
  };

/** (x · a) · b → x · (a · b) for scalars a and b. */
const mergeFactors: Simplification = (inputs, { outputs: [output] }) => {
  const outer = splitFactor(inputs, output!);
  const innerInputs = outer && inputsOf(outer.rest, 'Mul');
  const inner = innerInputs && splitFactor(innerInputs, outer.rest);
  return inner && mul(inner.rest, outer.factor * inner.factor);
};

/** a · b for two numbers. */
const multiplyConstants: Simplification = ([a, b], { outputs: [output] }) => {
  const factors = [scalarOf(a!), scalarOf(b!)];
  if (output!.shape.length > 0 || factors.includes(undefined)) return undefined;
  return constant(factors[0]! * factors[1]!, output!.dtype);
};

/** (1 / x) · y → y / x. */
const multiplyByReciprocal: Simplification = (inputs, { outputs: [output] }) => {
  const side = inputs.findIndex((v) => {
    const quotient = inputsOf(v, 'Div');
    return quotient && scalarOf(quotient[0]!) === 1 && sameShape(v.shape, output!.shape);
  });
  return side < 0 ? undefined : div(inputs[1 - side]!, inputs[side]!.node!.inputs[1]!);
};

interface Scaled {
  readonly factor: number;
  readonly rest: Value;
}

/** The constant factor of the Mul `output` of `inputs`, and the other operand, which has the shape of `output`. */
function splitFactor(inputs: readonly Value[], output: Value): Scaled | undefined {
  const side = inputs.findIndex(
    (v, i) => scalarOf(v) !== undefined && sameShape(inputs[1 - i]!.shape, output.shape),
  );
  return side < 0 ? undefined : { factor: scalarOf(inputs[side]!)!, rest: inputs[1 - side]! };
}

/**
 * x + scatter(0, …) → scatter(x, …). With a tied embedding, the gradients of the embedding rows are added to
 * the gradient of the head without a table of zeros.
 */
const scatterIntoSum: Simplification = (inputs) => {
  const side = inputs.findIndex((v) => {
    const into = inputsOf(v, 'ScatterND')?.[0];
    return into && scalarOf(into) === 0;
  });
  const scatter = inputs[side]?.node;
  const other = inputs[1 - side];
  if (!scatter || !other || !sameShape(other.shape, scatter.outputs[0]!.shape)) return undefined;
  return emitOne(scatter.op, [other, ...scatter.inputs.slice(1)], {});
};

/** Transposes an operand in the product instead of with a Transpose. */
const absorbTranspose: Simplification = (inputs, { attrs }) => {
  const untransposed = inputs.map((v) => {
    const from = inputsOf(v, 'Transpose')?.[0];
    const rank = v.shape.length;
    const swapLast = [...normalizeAxes(rank).slice(0, -2), rank - 1, rank - 2];
    return from && sameShape(permOf(v.node!), swapLast) ? from : undefined;
  });
  if (!untransposed.some(Boolean)) return undefined;
  const operands = inputs.map((v, i) => untransposed[i] ?? v);
  return emitOne(MatMul, operands, {
    transA: attrs.transA !== (untransposed[0] !== undefined),
    transB: attrs.transB !== (untransposed[1] !== undefined),
    alpha: attrs.alpha as number,
  });
};

/** (x · a) y → the product with the factor a. */
const absorbFactor: Simplification = (inputs, { attrs }) => {
  let alpha = attrs.alpha as number;
  const unscaled = inputs.map((v) => {
    const found = splitFactorOf(v);
    alpha *= found?.factor ?? 1;
    return found?.rest ?? v;
  });
  if (alpha === attrs.alpha) return undefined;
  return emitOne(MatMul, unscaled, { ...(attrs as MatMulAttrs), alpha });
};

/** The scalar factor of a value and the value without it, if it is a Mul, or a view or rounding of one. */
function splitFactorOf(v: Value): Scaled | undefined {
  const { node } = v;
  if (node?.op.name === 'Mul') return splitFactor(node.inputs, v);
  const isRounding = node?.op.name === 'Cast' && v.dtype === 'bfloat16';
  if (!isRounding && node?.op.name !== 'Reshape') return undefined;
  const found = splitFactorOf(node.inputs[0]!);
  if (!found) return undefined;
  return {
    factor: found.factor,
    rest: isRounding ? cast(found.rest, v.dtype) : reshape(found.rest, v.shape),
  };
}

/** Concat(Cast(x), Cast(y)) → Cast(Concat(x, y)): the narrower type is joined. */
const joinBeforeCast: Simplification = (inputs, { attrs, outputs: [output] }) => {
  const from = inputs.map((v) => inputsOf(v, 'Cast')?.[0]);
  const type = from[0]?.dtype;
  const isWider = type !== undefined && byteLengthOf(type, 8) < byteLengthOf(output!.dtype, 8);
  if (!isWider || from.some((v) => v?.dtype !== type)) return undefined;
  return cast(concat(from as Value[], attrs.axis as number), output!.dtype);
};

const dropDoubleNegation: Simplification = ([x]) => inputsOf(x!, 'Neg')?.[0];
const dropIdentity: Simplification = ([x]) => x;
const dropCast: Simplification = ([x], { attrs }) => (x!.dtype === attrs.to ? x : undefined);

const mergeTransposes: Simplification = ([x], node) => {
  const from = inputsOf(x!, 'Transpose')?.[0];
  if (!from) return undefined;
  const inner = permOf(x!.node!);
  return transpose(
    from,
    permOf(node).map((i) => inner[i]!),
  );
};
const dropTranspose: Simplification = ([x], node) => (permOf(node).every((p, i) => p === i) ? x : undefined);

const mergeReshapes: Simplification = ([x], { outputs: [output] }) => {
  const from = inputsOf(x!, 'Reshape')?.[0];
  return from && reshape(from, output!.shape);
};
const mergeExpands: Simplification = ([x], { outputs: [output] }) => {
  const from = inputsOf(x!, 'Expand')?.[0];
  return from && expand(from, output!.shape);
};
const dropSameShape: Simplification = ([x], { outputs: [output] }) =>
  sameShape(x!.shape, output!.shape) ? x : undefined;

/** The rules for each operator, in the order in which they are tried. */
const simplifications: Readonly<Record<string, readonly Simplification[]>> = {
  Add: [dropNeutral(0, [0, 1]), scatterIntoSum],
  Sub: [dropNeutral(0, [1])],
  Mul: [dropNeutral(1, [0, 1]), multiplyConstants, mergeFactors, multiplyByReciprocal],
  Div: [dropNeutral(1, [1])],
  Neg: [dropDoubleNegation],
  Identity: [dropIdentity],
  Cast: [dropCast],
  Transpose: [mergeTransposes, dropTranspose],
  Reshape: [mergeReshapes, dropSameShape],
  Expand: [mergeExpands, dropSameShape],
  Concat: [joinBeforeCast],
  MatMul: [absorbTranspose, absorbFactor],
};

/** The operands of an elementwise pair without Expands that broadcasting makes unnecessary. */
function withoutExpands(inputs: readonly Value[], { op, outputs: [output] }: Node): readonly Value[] {
  if (!op.elementwise || inputs.length !== 2) return inputs;
  const fits = (a: Value, b: Value): boolean =>
    sameShape(broadcastShape(a.shape, b.shape) ?? [], output!.shape);
  const [a, b] = inputs as readonly [Value, Value];
  const unexpandedA = inputsOf(a, 'Expand')?.[0] ?? a;
  const first = fits(unexpandedA, b) ? unexpandedA : a;
  const unexpandedB = inputsOf(b, 'Expand')?.[0] ?? b;
  return [first, fits(first, unexpandedB) ? unexpandedB : b];
}

/**
 * A graph with the same outputs and fewer, cheaper nodes. Values may differ by rounding: `mergeFactors` and
 * `scatterIntoSum` change the order of operations.
 */
export function simplify(graph: Graph): Graph {
  const emitted = new Map<string, readonly Value[]>();
  const simplified = new Set<Value>();
  const constants = new Map<string, Value>();
  const shareConstant = (v: Value): Value => {
    if (!v.constant) return v;
    const known = constants.get(v.constant.key) ?? v;
    constants.set(v.constant.key, known);
    return known;
  };
  const simplifyNode = (node: Node, rewrittenInputs: readonly Value[]): readonly Value[] => {
    const fullInputs = rewrittenInputs.map(shareConstant);
    const inputs = withoutExpands(fullInputs, node);
    for (const rule of simplifications[node.op.name] ?? []) {
      const found = rule(fullInputs, node) ?? rule(inputs, node);
      if (!found) continue;
      const isNew = found.node && !simplified.has(found);
      return [isNew ? simplifyNode(found.node, found.node.inputs)[0]! : found];
    }
    const key = `${node.op.name}${formatAttrs(node.attrs)} ${inputs.map((v) => v.id).join(' ')}`;
    const equal = emitted.get(key);
    if (equal) return equal;
    const outputs = emit(node.op, inputs, node.attrs);
    emitted.set(key, outputs);
    for (const v of outputs) simplified.add(v);
    return outputs;
  };
  return rewrite(graph, simplifyNode);
}
