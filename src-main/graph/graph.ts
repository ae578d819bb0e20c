/**
 * @file Values and the nodes that make them. A graph is what its outputs reach; order of creation is a
 * topological order.
 */
import { refuse } from '../base/errors.ts';
import type { DType } from '../tensor/dtype.ts';

/** Sizes of axes, all known when the graph is built. */
export type Shape = readonly number[];
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}
export type Attr = number | string | boolean | readonly number[];
export type Attrs = Readonly<Record<string, Attr>>;

/** A tensor of the graph: a node's output, a constant, or (with a name) an input. */
export interface Value extends Type {
  readonly id: number;
  readonly node?: Node;
  readonly name?: string;
  readonly constant?: Constant;
}

/**
 * A constant's elements, made when they are first needed. Equal keys mean equal elements (dtype and shape are
 * in the key).
 */
export interface Constant {
  readonly key: string;
  values(): ArrayLike<number>;
}

export interface Node {
  readonly op: Op;
  readonly inputs: readonly Value[];
  readonly attrs: Attrs;
  readonly outputs: readonly Value[];
}

/** What a program asks for, by name, and what it is fed. */
export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/**
 * What a gradient rule sees beside `g`: the node's values, and every output's gradient where there is more
 * than one output.
 */
export interface Around<A extends Attrs = Attrs> {
  readonly in: readonly Value[];
  readonly out: Value;
  readonly outs: readonly Value[];
  /** Gradients of all outputs; undefined where nothing reached one. */
  readonly all: readonly (Value | undefined)[];
  readonly attrs: A;
}

/** How a node is written in ONNX where that differs from its row's name, inputs and attributes. */
export interface OnnxForm {
  readonly op?: string;
  readonly domain?: 'com.microsoft';
  readonly inputs?: readonly Value[];
  readonly attrs?: Readonly<Record<string, Attr | { readonly float: number }>>;
}

/** One row of the op table. */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string;
  /** Types of the outputs, or in words why the inputs do not fit. */
  infer(inputs: readonly Type[], attrs: A): readonly Type[] | string;
  /**
   * Gradient of each input given `g`. Absent: asking is an error. null: nothing flows. Broadcasting is undone
   * by the walk, never here.
   */
  grad?: ((g: Value, around: Around<A>) => readonly (Value | null)[]) | null;
  /** null: ONNX has no such operator, so `lower` is always used. */
  onnx?:
    | ((node: {
        readonly inputs: readonly Value[];
        readonly attrs: A;
        readonly outputs: readonly Value[];
      }) => OnnxForm)
    | null;
  /** The same values from other rows, for a provider that lacks the ONNX operator. */
  lower?(inputs: readonly Value[], attrs: A): readonly Value[];
  /** Floating point operations, of products only: what 6N counts. */
  flops?(inputs: readonly Type[], out: Type, attrs: A): number;
  /** Each output element depends on the same place of the broadcast inputs. */
  readonly elementwise?: true;
  /** The output is its first input's bytes in place. */
  readonly view?: true;
}

let lastId = 0;

/** A named tensor that the caller feeds. */
export const input = (name: string, dtype: DType, shape: Shape): Value => ({
  id: ++lastId,
  dtype,
  shape,
  name,
});

/** A constant from its elements; a number alone is a scalar. */
export function constant(
  values: number | ArrayLike<number>,
  dtype: DType = 'float32',
  shape: Shape = typeof values === 'number' ? [] : [values.length],
): Value {
  const elements = typeof values === 'number' ? [values] : values;
  if (elements.length !== countOf(shape))
    refuse('graph/shapes', {
      op: 'constant',
      shapes: `${elements.length} elements for [${shape.join(', ')}]`,
    });
  return constantBy(
    elements.length <= 32
      ? Array.from(elements, (x) => (Object.is(x, -0) ? '-0' : String(x))).join(' ')
      : digest(elements),
    dtype,
    shape,
    () => elements,
  );
}

/** A constant known by how it is made; `make` runs at most once, and only if the elements are needed. */
export function constantBy(key: string, dtype: DType, shape: Shape, make: () => ArrayLike<number>): Value {
  let made: ArrayLike<number> | undefined;
  return {
    id: ++lastId,
    dtype,
    shape,
    constant: { key: `${dtype}[${shape.join(',')}] ${key}`, values: () => (made ??= make()) },
  };
}

/** Adds a node; its outputs. Refuses `graph/shapes` where the row's `infer` does. */
export function emit<A extends Attrs>(op: Op<A>, inputs: readonly Value[], attrs: A): readonly Value[] {
  const types = op.infer(inputs, attrs);
  if (typeof types === 'string')
    refuse('graph/shapes', {
      op: op.name,
      shapes: `${inputs.map(typeText).join(', ')}${attrText(attrs)}: ${types}`,
    });
  const outputs: Value[] = [];
  const node: Node = { op: op as unknown as Op, inputs, attrs, outputs };
  for (const { dtype, shape } of types) outputs.push({ id: ++lastId, dtype, shape, node });
  return outputs;
}

/** `emit` for a row with one output. */
export const emitOne = <A extends Attrs>(op: Op<A>, inputs: readonly Value[], attrs: A): Value =>
  emit(op, inputs, attrs)[0]!;

/** Every node that `values` depend on, inputs before use, in order of creation. */
export function nodesOf(values: Iterable<Value>): readonly Node[] {
  const seen = new Set<Node>();
  const waiting = [...values];
  for (let value = waiting.pop(); value; value = waiting.pop()) {
    if (!value.node || seen.has(value.node)) continue;
    seen.add(value.node);
    waiting.push(...value.node.inputs);
  }
  return [...seen].sort((a, b) => a.outputs[0]!.id - b.outputs[0]!.id);
}

/** Named outputs with the inputs they need, in order of creation, unless `inputs` are listed. */
export function graphOf(outputs: Readonly<Record<string, Value>>, inputs?: readonly Value[]): Graph {
  return { outputs, inputs: inputs ?? leavesOf(outputs).filter((v) => v.name !== undefined) };
}

/** The inputs and constants that outputs reach, in order of creation. */
export function leavesOf(outputs: Readonly<Record<string, Value>>): readonly Value[] {
  const values = Object.values(outputs);
  const all = new Set([...values, ...nodesOf(values).flatMap((n) => n.inputs)]);
  return [...all].filter((v) => !v.node).sort((a, b) => a.id - b.id);
}

/** The one element of a constant, also through Expand; undefined for anything else. */
export function scalarOf(value: Value): number | undefined {
  if (value.node) return value.node.op.name === 'Expand' ? scalarOf(value.node.inputs[0]!) : undefined;
  return value.constant && countOf(value.shape) === 1 ? value.constant.values()[0] : undefined;
}

export const countOf = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);
export const typeText = ({ dtype, shape }: Type): string => `${dtype}[${shape.join(', ')}]`;

/** Attributes as ` {key: value}`, or nothing where there are none. */
export function attrText(attrs: Attrs): string {
  const text = Object.entries(attrs).map(
    ([key, value]) => `${key}: ${typeof value === 'object' ? `[${value.join(', ')}]` : String(value)}`,
  );
  return text.length ? ` {${text.join(', ')}}` : '';
}

/**
 * Two 32-bit FNV-1a hashes, of the elements' bits and of them in mixed order: 64 bits against accidental
 * sharing.
 */
function digest(elements: ArrayLike<number>): string {
  const one = new Float64Array(1);
  const words = new Uint32Array(one.buffer);
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < elements.length; i++) {
    one[0] = elements[i]!;
    a = Math.imul(Math.imul(a ^ words[0]!, 0x01000193) ^ words[1]!, 0x01000193);
    b = Math.imul(Math.imul(b ^ (words[1]! + i), 0x85ebca6b) ^ (b >>> 15) ^ words[0]!, 0xc2b2ae35);
  }
  return `${elements.length}:${(a >>> 0).toString(16)}:${(b >>> 0).toString(16)}`;
}
