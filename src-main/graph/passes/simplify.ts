/**
 * @file Rewrites that keep every value: neutral elements, movements of movements, factors of factors, equal
 * nodes shared.
 */
import { mul } from '../ops/elementwise.ts';
import { attrText, emit, emitOne, scalarOf, type Graph, type Node, type Value } from '../graph.ts';
import { expand, reshape, transpose } from '../ops/movement.ts';
import { MatMul } from '../ops/product.ts';
import { rewrite } from './rewrite.ts';
import { axesOf, broadcastShape, sameShape } from '../shapes.ts';

type Shortcut = (inputs: readonly Value[], node: Node) => Value | undefined;

/** The inputs of the node that made `v`, if that node is of `op`. */
const madeBy = (v: Value, op: string): readonly Value[] | undefined =>
  v.node?.op.name === op ? v.node.inputs : undefined;
const permOf = (v: Value): readonly number[] => (v.node as Node).attrs.perm as readonly number[];

/** The other operand where one of them is `neutral` and changes no shape. */
const dropping =
  (neutral: number, sides: readonly number[]): Shortcut =>
  (inputs, { outputs: [out] }) => {
    const side = sides.find(
      (i) => scalarOf(inputs[i]!) === neutral && sameShape(inputs[1 - i]!.shape, out!.shape),
    );
    return side === undefined ? undefined : inputs[1 - side];
  };

/** Two scalar factors become one. */
const mergeFactors: Shortcut = (inputs) => {
  const outer = factored(inputs);
  const inner = outer && madeBy(outer.rest, 'Mul');
  const both = inner && factored(inner);
  return both && mul(both.rest, outer.factor * both.factor);
};

/** A product's scalar factor, and what it multiplies. */
function factored(inputs: readonly Value[]): { readonly factor: number; readonly rest: Value } | undefined {
  const side = inputs.findIndex((v) => v.shape.length === 0 && scalarOf(v) !== undefined);
  return side < 0 ? undefined : { factor: scalarOf(inputs[side]!)!, rest: inputs[1 - side]! };
}

/**
 * An embedding table that is also the head: the rows are added into the other gradient, not into zeros that
 * are added to it.
 */
const scatterIntoSum: Shortcut = (inputs) => {
  const side = inputs.findIndex((v) => {
    const into = madeBy(v, 'ScatterND')?.[0];
    return into && scalarOf(into) === 0;
  });
  const scatter = inputs[side]?.node;
  const other = inputs[1 - side];
  return scatter && other && sameShape(other.shape, scatter.outputs[0]!.shape)
    ? emitOne(scatter.op, [other, ...scatter.inputs.slice(1)], {})
    : undefined;
};

/** A product reads an operand transposed by itself. */
const transposedOperand: Shortcut = (inputs, { attrs }) => {
  const swapped = inputs.map((v) => {
    const from = madeBy(v, 'Transpose')?.[0];
    const rank = v.shape.length;
    return from && sameShape(permOf(v), [...axesOf(rank).slice(0, -2), rank - 1, rank - 2])
      ? from
      : undefined;
  });
  if (!swapped.some(Boolean)) return undefined;
  const [transA, transB] = [
    attrs.transA !== (swapped[0] !== undefined),
    attrs.transB !== (swapped[1] !== undefined),
  ];
  return emitOne(
    MatMul,
    inputs.map((v, i) => swapped[i] ?? v),
    { transA, transB, alpha: attrs.alpha as number },
  );
};

const shortcuts: Readonly<Record<string, readonly Shortcut[]>> = {
  Add: [dropping(0, [0, 1]), scatterIntoSum],
  Sub: [dropping(0, [1])],
  Mul: [dropping(1, [0, 1]), mergeFactors],
  Div: [dropping(1, [1])],
  Neg: [([x]) => madeBy(x!, 'Neg')?.[0]],
  Identity: [([x]) => x],
  Cast: [([x], { attrs }) => (x!.dtype === attrs.to ? x : undefined)],
  Transpose: [
    ([x], { attrs }) => {
      const from = madeBy(x!, 'Transpose')?.[0];
      return (
        from &&
        transpose(
          from,
          (attrs.perm as number[]).map((i) => permOf(x!)[i]!),
        )
      );
    },
    ([x], { attrs }) => ((attrs.perm as number[]).every((p, i) => p === i) ? x : undefined),
  ],
  Reshape: [
    ([x], { outputs: [out] }) => {
      const from = madeBy(x!, 'Reshape')?.[0];
      return from && reshape(from, out!.shape);
    },
    ([x], { outputs: [out] }) => (sameShape(x!.shape, out!.shape) ? x : undefined),
  ],
  Expand: [
    ([x], { outputs: [out] }) => {
      const from = madeBy(x!, 'Expand')?.[0];
      return from && expand(from, out!.shape);
    },
    ([x], { outputs: [out] }) => (sameShape(x!.shape, out!.shape) ? x : undefined),
  ],
  MatMul: [transposedOperand],
};

/** Inputs of a broadcasting pair without the Expands that broadcasting makes needless. */
function unexpanded(inputs: readonly Value[], { op, outputs: [out] }: Node): readonly Value[] {
  if (!op.elementwise || inputs.length !== 2) return inputs;
  const fits = (a: Value, b: Value): boolean => sameShape(broadcastShape(a.shape, b.shape) ?? [], out!.shape);
  const [a, b] = inputs as readonly [Value, Value];
  const x = madeBy(a, 'Expand')?.[0] ?? a;
  const first = fits(x, b) ? x : a;
  const y = madeBy(b, 'Expand')?.[0] ?? b;
  return [first, fits(first, y) ? y : b];
}

/**
 * The same outputs from fewer and cheaper nodes, to rounding: only `mergeFactors` and `scatterIntoSum` change
 * the order of an operation.
 */
export function simplify(graph: Graph): Graph {
  const seen = new Map<string, readonly Value[]>();
  const settled = new Set<Value>();
  const constants = new Map<string, Value>();
  const shared = (v: Value): Value => {
    if (!v.constant) return v;
    const known = constants.get(v.constant.key);
    if (!known) constants.set(v.constant.key, v);
    return known ?? v;
  };
  const settle = (node: Node, before: readonly Value[]): readonly Value[] => {
    const whole = before.map(shared);
    const inputs = unexpanded(whole, node);
    for (const shortcut of shortcuts[node.op.name] ?? []) {
      const found = shortcut(whole, node) ?? shortcut(inputs, node);
      if (found)
        return [found.node && !settled.has(found) ? settle(found.node, found.node.inputs)[0]! : found];
    }
    const key = `${node.op.name}${attrText(node.attrs)} ${inputs.map((v) => v.id).join(' ')}`;
    const equal = seen.get(key);
    if (equal) return equal;
    const outputs = emit(node.op, inputs, node.attrs);
    seen.set(key, outputs);
    for (const v of outputs) settled.add(v);
    return outputs;
  };
  return rewrite(graph, settle);
}
