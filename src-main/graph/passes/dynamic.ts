/**
 * @file A program of open lengths, from the same program built twice for two choices of them: what differs
 * between the two follows the lengths.
 */
import { refuse } from '../../base/errors.ts';
import {
  attrText,
  constant,
  countOf,
  emitOne,
  nodesOf,
  typeText,
  type Graph,
  type Node,
  type Op,
  type Shape,
  type Value,
} from '../graph.ts';
import { rewrite } from './rewrite.ts';
import { sameShape } from '../shapes.ts';

/** Sizes of an input or output: a number, or the name of an open one. */
export type OpenShape = readonly (number | string)[];
export interface OpenGraph {
  readonly graph: Graph;
  readonly dims: Readonly<Record<string, OpenShape>>;
}

const ints = (values: readonly number[]): Value => constant(values, 'int64');

/**
 * Reshape to `shape`, written as `target`: 0 takes the size that stands there, -1 what is left (ONNX's
 * rules).
 */
const OpenReshape: Op<{ readonly shape: Shape; readonly target: Shape }> = {
  name: 'Reshape',
  view: true,
  infer: ([x], { shape }) =>
    countOf(shape) === countOf(x!.shape) ? [{ dtype: x!.dtype, shape }] : 'the element counts differ',
  onnx: ({ inputs: [x], attrs: { target } }) => ({ inputs: [x!, ints(target)], attrs: {} }),
};
/** Axes of size one taken out, or put in. */
const onAxes = (
  name: 'Squeeze' | 'Unsqueeze',
): Op<{ readonly shape: Shape; readonly axes: readonly number[] }> => ({
  name,
  view: true,
  infer: ([x], { shape }) => [{ dtype: x!.dtype, shape }],
  onnx: ({ inputs: [x], attrs: { axes } }) => ({ inputs: [x!, ints(axes)], attrs: {} }),
});
const Squeeze = onAxes('Squeeze');
const Unsqueeze = onAxes('Unsqueeze');

const invalid = (node: string, why: string): never =>
  refuse('graph/invalid', { pass: 'open lengths', node, why });
const textOf = (node: Node): string =>
  `${node.op.name}${attrText(node.attrs)} of ${node.inputs.map(typeText).join(', ')}`;
const sameAttrs = (a: Node, b: Node): boolean => attrText(a.attrs) === attrText(b.attrs);

/**
 * `one` with every size that differs from `other`'s left open; both must be lowered already. `lengths` names
 * the pairs of sizes that inputs and outputs may differ by.
 * Refuses `graph/invalid` where the two differ in more than sizes, or where a Reshape has two sizes that
 * follow from nothing.
 */
export function openLengths(
  one: Graph,
  other: Graph,
  lengths: Readonly<Record<string, readonly [number, number]>>,
): OpenGraph {
  const mine = nodesOf(Object.values(one.outputs));
  const theirs = nodesOf(Object.values(other.outputs));
  const twins = new Map<Value, Value>();
  const partners = new Map<Node, Node>();
  if (mine.length !== theirs.length)
    invalid(
      'the graph',
      `it has ${mine.length} nodes for one choice of lengths and ${theirs.length} for the other`,
    );
  mine.forEach((node, i) => {
    const twin = theirs[i]!;
    const open = node.op.name === 'Reshape';
    if (node.op !== twin.op || (!open && !sameAttrs(node, twin)) || node.inputs.length !== twin.inputs.length)
      invalid(textOf(node), `the other is ${textOf(twin)}`);
    node.inputs.forEach((v, k) => {
      const w = twin.inputs[k]!;
      const same = v.node
        ? twins.get(v) === w
        : v.constant
          ? v.constant.key === w.constant?.key
          : v.name === w.name;
      if (!same)
        invalid(
          textOf(node),
          `its input ${k} is not the same for other lengths: ${typeText(v)} and ${typeText(w)}`,
        );
    });
    node.outputs.forEach((v, k) => {
      twins.set(v, twin.outputs[k]!);
    });
    partners.set(node, twin);
  });
  // Rules are asked in the order of the nodes, which stay the program's.
  let next = 0;
  const graph = rewrite(one, (_, inputs) => {
    const node = mine[next++]!;
    const twin = partners.get(node)!;
    return node.op.name === 'Reshape' && !sameAttrs(node, twin)
      ? [openReshape(inputs[0]!, node, twin)]
      : undefined;
  });
  const named = (name: string, a: Shape, b: Shape): OpenShape =>
    a.map((size, i) =>
      size === b[i]
        ? size
        : (Object.keys(lengths).find((key) => lengths[key]![0] === size && lengths[key]![1] === b[i]) ??
          invalid(name, `${size} and ${b[i] ?? 'nothing'} are no length that has a name`)),
    );
  const fed = new Map(other.inputs.map((v) => [v.name, v]));
  return {
    graph,
    dims: Object.fromEntries([
      ...graph.inputs.map((v) => [v.name!, named(v.name!, v.shape, fed.get(v.name)?.shape ?? [])] as const),
      ...Object.entries(graph.outputs).map(
        ([name, v]) => [name, named(name, v.shape, other.outputs[name]?.shape ?? [])] as const,
      ),
    ]),
  };
}

/** A Reshape whose target holds for both choices. */
function openReshape(x: Value, node: Node, twin: Node): Value {
  const from = node.inputs[0]!.shape;
  const from2 = twin.inputs[0]!.shape;
  const to = node.outputs[0]!.shape;
  const to2 = twin.outputs[0]!.shape;
  const differing = to.flatMap((size, i) => (size === to2[i] ? [] : [i]));
  const stays = differing.filter((i) => from[i] === to[i] && from2[i] === to2[i]);
  const rest = differing.filter((i) => !stays.includes(i));
  if (differing.length === 1)
    return emitOne(OpenReshape, [x], {
      shape: to,
      target: to.map((size, i) => (differing.includes(i) ? -1 : size)),
    });
  if (rest.length <= 1)
    return emitOne(OpenReshape, [x], {
      shape: to,
      target: to.map((size, i) => (stays.includes(i) ? 0 : rest.includes(i) ? -1 : size)),
    });
  const bare = (shape: Shape): Shape => shape.filter((size) => size !== 1);
  const ones = (shape: Shape): readonly number[] => shape.flatMap((size, i) => (size === 1 ? [i] : []));
  if (!sameShape(bare(from), bare(to)) || !sameShape(bare(from2), bare(to2)))
    return invalid(textOf(node), 'more than one of its sizes follows the lengths');
  const squeezed = ones(from).length > 0 ? emitOne(Squeeze, [x], { shape: bare(from), axes: ones(from) }) : x;
  return ones(to).length > 0 ? emitOne(Unsqueeze, [squeezed], { shape: to, axes: ones(to) }) : squeezed;
}
