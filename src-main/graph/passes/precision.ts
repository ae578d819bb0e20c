/**
 * @file Mixed precision as one pass over a float32 graph: which rows compute in a shorter type, and where
 * numbers change type. Inputs and outputs of the graph keep theirs.
 */
import { cast } from '../ops/logic.ts';
import { constantBy, emit, nodesOf, type Graph, type Node, type Value } from '../graph.ts';
import { slice, split } from '../ops/movement.ts';

export type ShortType = 'float16' | 'bfloat16';

/** Largest finite number of a type; what is beyond becomes infinite there. */
const largest: Readonly<Record<ShortType, number>> = { float16: 65504, bfloat16: 3.3895313892515355e38 };

/**
 * Rows that compute in the short type whatever they are given: products, summed in float32 by every
 * provider's kernels.
 */
const products = new Set(['MatMul']);

/**
 * Rows that take the short type where all that they are given has it already, and otherwise stay in float32.
 * bfloat16 has no CUDA kernel for Pad, Expand and Where.
 */
const followers: Readonly<Record<ShortType, ReadonlySet<string>>> = (() => {
  const both = [
    'Reshape',
    'Transpose',
    'Concat',
    'Split',
    'Slice',
    'Identity',
    'Add',
    'Sub',
    'Mul',
    'Neg',
    'Relu',
    'Tanh',
    'Sigmoid',
    'Silu',
    'Rotary',
  ];
  return { bfloat16: new Set(both), float16: new Set([...both, 'Pad', 'Expand', 'Where']) };
})();

/**
 * Rows that compute in float32 and whose result, between 0 and 1, is then kept in the short type alone: the
 * largest arrays that wait for the backward pass.
 */
const narrowed = new Set(['Softmax']);

/** Movements through which a weight is still known as one. */
const cuts = new Set(['Reshape', 'Split', 'Identity']);

/** A value in one type or in both; the one it was computed in is made first. */
interface Forms {
  long?: Value;
  short?: Value;
  readonly native: 'long' | 'short';
}

/**
 * `graph` with products, and what lies between them, in `type`; norms, softmax, reductions, losses and the
 * optimizer stay in float32.
 * Weights and constants are cast where they are used, once; rows must be ONNX's (`lowered`), so that each is
 * one kernel.
 */
export function mixed(graph: Graph, type: ShortType): Graph {
  const known = new Map<Value, Forms>();
  const isLong = (v: Value): boolean => v.dtype === 'float32';
  const formsOf = (v: Value): Forms => {
    let forms = known.get(v);
    if (!forms) known.set(v, (forms = { native: 'long', ...(v.node ? {} : { long: v }) }));
    return forms;
  };
  /** A weight, a constant, or a piece of one: it takes the type of what it meets. */
  const neutral = (v: Value): boolean => !v.node || (cuts.has(v.node.op.name) && neutral(v.node.inputs[0]!));
  const at = (node: Node, form: (v: Value) => Value): readonly Value[] =>
    emit(
      node.op,
      node.inputs.map((v) => (isLong(v) ? form(v) : (known.get(v)?.long ?? v))),
      node.attrs,
    );
  const long = (v: Value): Value => {
    const forms = formsOf(v);
    if (!forms.long && forms.short) forms.long = cast(forms.short, 'float32');
    if (!forms.long) {
      // a piece of a weight: cut out alone, so that pieces used in the short type are not copied in float32
      const { node } = v as { node: Node };
      const [whole] = node.inputs as [Value];
      if (node.op.name === 'Split') {
        const { axis, sizes } = node.attrs as { axis: number; sizes: readonly number[] };
        const i = node.outputs.indexOf(v);
        const start = sizes.slice(0, i).reduce((a, b) => a + b, 0);
        forms.long = slice(long(whole), axis, start, start + sizes[i]!);
      } else [forms.long] = at(node, long) as [Value];
    }
    return forms.long;
  };
  const short = (v: Value): Value => {
    const forms = formsOf(v);
    if (forms.short) return forms.short;
    if (v.constant) {
      const { constant, shape } = v;
      return (forms.short = constantBy(constant.key.slice(constant.key.indexOf(' ') + 1), type, shape, () =>
        constant.values(),
      ));
    }
    if (!v.node || !neutral(v)) return (forms.short = cast(long(v), type));
    const { node } = v;
    const made =
      node.op.name === 'Split'
        ? split(short(node.inputs[0]!), node.attrs.sizes as number[], node.attrs.axis as number)
        : at(node, short);
    node.outputs.forEach((out, i) => {
      formsOf(out).short ??= made[i]!;
    });
    return forms.short!;
  };
  const fits = (v: Value): boolean =>
    !v.constant ||
    Array.prototype.every.call(v.constant.values(), (x: number) => Math.abs(x) <= largest[type]);
  const follows = ({ op, inputs }: Node): boolean => {
    const floats = inputs.filter(isLong);
    const moving = floats.filter((v) => !neutral(v));
    // A square leaves float16's range where its root is still well inside.
    if (
      !followers[type].has(op.name) ||
      moving.length === 0 ||
      (op.name === 'Mul' && inputs[0] === inputs[1])
    )
      return false;
    return moving.every((v) => formsOf(v).native === 'short') && floats.every((v) => !neutral(v) || fits(v));
  };
  for (const node of nodesOf(Object.values(graph.outputs))) {
    // a piece of a weight is made where it is used
    if (node.outputs.every((v) => isLong(v) && neutral(v))) continue;
    const inShort = (products.has(node.op.name) && node.inputs.every(isLong)) || follows(node);
    const made = at(node, inShort ? short : long);
    node.outputs.forEach((v, i) => {
      if (!isLong(v)) known.set(v, { native: 'long', long: made[i]! });
      else if (inShort) known.set(v, { native: 'short', short: made[i]! });
      else
        known.set(
          v,
          narrowed.has(node.op.name)
            ? { native: 'short', short: cast(made[i]!, type) }
            : { native: 'long', long: made[i]! },
        );
    });
  }
  return {
    inputs: graph.inputs,
    outputs: Object.fromEntries(
      Object.entries(graph.outputs).map(([name, v]) => [
        name,
        isLong(v) ? long(v) : (known.get(v)?.long ?? v),
      ]),
    ),
  };
}
