/**
 * @file Makes axes of a program dynamic. The program is built twice, for two choices of the lengths; sizes that
 * differ between the two depend on the lengths.
 */
import { refuse } from '../../base/errors.ts';
import {
  constant,
  countOf,
  emitOne,
  formatAttrs,
  formatType,
  nodesOf,
  type Graph,
  type Node,
  type Op,
  type Shape,
  type Value,
} from '../graph.ts';
import { viewCost } from '../op-cost.ts';
import { sameShape } from '../shapes.ts';
import { rewrite } from './rewrite.ts';

/** Sizes of an input or output: a number, or the name of a dynamic axis. */
export type DynamicShape = readonly (number | string)[];

export interface DynamicGraph {
  readonly graph: Graph;
  /** Shapes of the inputs and outputs by name. */
  readonly shapes: Readonly<Record<string, DynamicShape>>;
}

/** The two sizes that each named length has in the two graphs. */
export type Lengths = Readonly<Record<string, readonly [number, number]>>;

const int64s = (values: readonly number[]): Value => constant(values, 'int64');

/** Reshape to `shape`, written to ONNX as `target`: 0 keeps the size of the input, -1 takes the rest. */
const DynamicReshape: Op<{ readonly shape: Shape; readonly target: Shape }> = {
  name: 'Reshape',
  view: true,
  cost: viewCost,
  castPolicy: 'passthrough',
  infer: ([x], { shape }) =>
    countOf(shape) === countOf(x!.shape) ? [{ dtype: x!.dtype, shape }] : 'the element counts differ',
  onnx: ({ inputs: [x], attrs: { target } }) => ({ inputs: [x!, int64s(target)], attrs: {} }),
};

/** Removes or inserts axes of size 1. */
const axesOp = (
  name: 'Squeeze' | 'Unsqueeze',
): Op<{ readonly shape: Shape; readonly axes: readonly number[] }> => ({
  name,
  view: true,
  cost: viewCost,
  castPolicy: 'float32',
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  onnx: ({ inputs: [x], attrs: { axes } }) => ({ inputs: [x!, int64s(axes)], attrs: {} }),
});
const Squeeze = axesOp('Squeeze');
const Unsqueeze = axesOp('Unsqueeze');

const invalid = (node: string, why: string): never =>
  refuse('graph/invalid', { pass: 'dynamic axes', node, why });

const formatNode = ({ op, inputs, attrs }: Node): string =>
  `${op.name}${formatAttrs(attrs)} of ${inputs.map(formatType).join(', ')}`;

const sameAttrs = (a: Node, b: Node): boolean => formatAttrs(a.attrs) === formatAttrs(b.attrs);

/**
 * `first` with a dynamic axis wherever its size differs from that in `second`. Both graphs must be lowered.
 * `lengths` names the pairs of sizes by which inputs and outputs may differ.
 *
 * Throws `graph/invalid` if the graphs differ in more than sizes, or if a Reshape has two sizes that cannot be
 * derived from its input.
 */
export function addDynamicAxes(first: Graph, second: Graph, lengths: Lengths): DynamicGraph {
  const counterparts = matchNodes(first, second);
  // `rewrite` calls the rule for the same nodes in the same order.
  const nodes = nodesOf(Object.values(first.outputs));
  let next = 0;
  const graph = rewrite(first, (_, inputs) => {
    const node = nodes[next++]!;
    const counterpart = counterparts.get(node)!;
    if (node.op.name !== 'Reshape' || sameAttrs(node, counterpart)) return undefined;
    return [emitDynamicReshape(inputs[0]!, node, counterpart)];
  });
  const secondInputs = new Map(second.inputs.map((v) => [v.name, v]));
  const shapeOf = (name: string, a: Value, b: Value | undefined): readonly [string, DynamicShape] => [
    name,
    nameSizes(name, a.shape, b?.shape ?? [], lengths),
  ];
  const inputShapes = graph.inputs.map((v) => shapeOf(v.name!, v, secondInputs.get(v.name)));
  const outputShapes = Object.entries(graph.outputs).map(([name, v]) =>
    shapeOf(name, v, second.outputs[name]),
  );
  return { graph, shapes: Object.fromEntries([...inputShapes, ...outputShapes]) };
}

/** The node of `second` for each node of `first`. Throws if the graphs differ in more than sizes. */
function matchNodes(first: Graph, second: Graph): ReadonlyMap<Node, Node> {
  const nodes = nodesOf(Object.values(first.outputs));
  const others = nodesOf(Object.values(second.outputs));
  if (nodes.length !== others.length) {
    const why = `it has ${nodes.length} nodes for one choice of lengths and ${others.length} for the other`;
    invalid('the graph', why);
  }
  const values = new Map<Value, Value>();
  const matches = new Map<Node, Node>();
  nodes.forEach((node, i) => {
    const other = others[i]!;
    checkMatch(node, other, values);
    node.outputs.forEach((v, k) => {
      values.set(v, other.outputs[k]!);
    });
    matches.set(node, other);
  });
  return matches;
}

/** Throws unless the nodes have the same operator, the same attributes (except of Reshape) and matching inputs. */
function checkMatch(node: Node, other: Node, values: ReadonlyMap<Value, Value>): void {
  const isReshape = node.op.name === 'Reshape';
  const matches =
    node.op === other.op &&
    (isReshape || sameAttrs(node, other)) &&
    node.inputs.length === other.inputs.length;
  if (!matches) invalid(formatNode(node), `the other is ${formatNode(other)}`);
  const isSameInput = (v: Value, w: Value): boolean => {
    if (v.node) return values.get(v) === w;
    return v.constant ? v.constant.key === w.constant?.key : v.name === w.name;
  };
  node.inputs.forEach((v, k) => {
    const w = other.inputs[k]!;
    if (isSameInput(v, w)) return;
    const why = `its input ${k} differs between the lengths: ${formatType(v)} and ${formatType(w)}`;
    invalid(formatNode(node), why);
  });
}

/** The shape of an input or output, with the name of a length where its two sizes differ. */
function nameSizes(name: string, a: Shape, b: Shape, lengths: Lengths): DynamicShape {
  return a.map((size, i) => {
    if (size === b[i]) return size;
    const length = Object.keys(lengths).find((key) => {
      const [one, other] = lengths[key]!;
      return one === size && other === b[i];
    });
    return length ?? invalid(name, `no length is named for the sizes ${size} and ${b[i] ?? 'none'}`);
  });
}

/** A Reshape that is correct for both choices of the lengths. */
function emitDynamicReshape(x: Value, node: Node, other: Node): Value {
  const from = node.inputs[0]!.shape;
  const otherFrom = other.inputs[0]!.shape;
  const to = node.outputs[0]!.shape;
  const otherTo = other.outputs[0]!.shape;
  const dynamic = to.flatMap((size, i) => (size === otherTo[i] ? [] : [i]));
  const kept = dynamic.filter((i) => from[i] === to[i] && otherFrom[i] === otherTo[i]);
  const rest = dynamic.filter((i) => !kept.includes(i));
  if (dynamic.length === 1) {
    const target = to.map((size, i) => (dynamic.includes(i) ? -1 : size));
    return emitOne(DynamicReshape, [x], { shape: to, target });
  }
  if (rest.length <= 1) {
    const target = to.map((size, i) => (kept.includes(i) ? 0 : rest.includes(i) ? -1 : size));
    return emitOne(DynamicReshape, [x], { shape: to, target });
  }
  const withoutOnes = (shape: Shape): Shape => shape.filter((size) => size !== 1);
  const onesOf = (shape: Shape): readonly number[] => shape.flatMap((size, i) => (size === 1 ? [i] : []));
  const differsInOnesOnly =
    sameShape(withoutOnes(from), withoutOnes(to)) && sameShape(withoutOnes(otherFrom), withoutOnes(otherTo));
  if (!differsInOnesOnly)
    return invalid(formatNode(node), 'more than one of its sizes depends on the lengths');
  const removed = onesOf(from);
  const inserted = onesOf(to);
  const squeezed =
    removed.length > 0 ? emitOne(Squeeze, [x], { shape: withoutOnes(from), axes: removed }) : x;
  return inserted.length > 0 ? emitOne(Unsqueeze, [squeezed], { shape: to, axes: inserted }) : squeezed;
}
