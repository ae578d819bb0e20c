/**
 * @file Simplifies a graph without changing its values: drops neutral elements, merges movements and factors,
 * and shares equal nodes.
 */
import { emit, emitOne, formatAttrs, scalarOf, type Graph, type Node, type Value } from '../graph.ts';
import { mul } from '../ops/elementwise.ts';
import { MatMul } from '../ops/matmul.ts';
import { expand, reshape, transpose } from '../ops/movement.ts';
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
const mergeFactors: Simplification = (inputs) => {
  const outer = splitFactor(inputs);
  const innerInputs = outer && inputsOf(outer.rest, 'Mul');
  const inner = innerInputs && splitFactor(innerInputs);
  return inner && mul(inner.rest, outer.factor * inner.factor);
};

/** The scalar factor of a Mul and the other operand. */
function splitFactor(
  inputs: readonly Value[],
): { readonly factor: number; readonly rest: Value } | undefined {
  const side = inputs.findIndex((v) => v.shape.length === 0 && scalarOf(v) !== undefined);
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
  Mul: [dropNeutral(1, [0, 1]), mergeFactors],
  Div: [dropNeutral(1, [1])],
  Neg: [dropDoubleNegation],
  Identity: [dropIdentity],
  Cast: [dropCast],
  Transpose: [mergeTransposes, dropTranspose],
  Reshape: [mergeReshapes, dropSameShape],
  Expand: [mergeExpands, dropSameShape],
  MatMul: [absorbTranspose],
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
