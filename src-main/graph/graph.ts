/**
 * @file The graph: values, the nodes that compute them and the interface of an operator. A graph is whatever
 * its outputs depend on; the order in which nodes were created is a topological order.
 */
import { refuse } from '../base/errors.ts';
import type { DType } from '../tensor/dtype.ts';
import type { kernelDomain, KernelGroup } from './kernels.ts';

/** Sizes of the axes. All of them are known when the graph is built. */
export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type Attr = number | string | boolean | readonly number[];
export type Attrs = Readonly<Record<string, Attr>>;

/** A tensor of the graph: an output of a node, a constant, or a named input. */
export interface Value extends TensorType {
  readonly id: number;
  /** The node that computes it; undefined for inputs and constants. */
  readonly node?: Node;
  /** The name of an input. */
  readonly name?: string;
  readonly constant?: Constant;
}

/** The elements of a constant, created when they are first needed. */
export interface Constant {
  /** Equal keys mean equal elements, dtype and shape. */
  readonly key: string;
  values(): ArrayLike<number>;
}

/** The part of a node that its operator reads. */
export interface OpNode<A extends Attrs = Attrs> {
  readonly inputs: readonly Value[];
  readonly attrs: A;
  readonly outputs: readonly Value[];
}

export interface Node extends OpNode {
  readonly op: Op;
}

/** The inputs that a program is fed and the outputs it returns by name. */
export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** What a backward rule may read besides the gradient of the first output. */
export interface BackwardContext<A extends Attrs = Attrs> {
  readonly inputs: readonly Value[];
  /** The first output. */
  readonly output: Value;
  readonly outputs: readonly Value[];
  /** The gradient of each output; undefined where the loss does not depend on it. */
  readonly gradOutputs: readonly (Value | undefined)[];
  readonly attrs: A;
}

/** The ONNX node of an operator, as far as it differs from the operator's name, inputs and attributes. */
export interface OnnxForm {
  readonly op?: string;
  readonly domain?: 'com.microsoft' | typeof kernelDomain;
  /** The operator set that has the operator, where it is newer than that of all others. */
  readonly opset?: number;
  readonly inputs?: readonly Value[];
  readonly attrs?: Readonly<Record<string, Attr | { readonly float: number }>>;
}

/** The arithmetic of the matrix products of one node. */
export interface Products {
  /** Floating-point operations, 2·m·n·k for each product: what the 6N rule counts. */
  readonly flops: number;
  /** The smallest of m, n and k. Products with a short side run below the peak of a device. */
  readonly smallestSide: number;
}

/** What one node costs, for estimates of time. */
export interface OpCost<A extends Attrs = Attrs> {
  /** Its matrix products; null for an operator without any. */
  readonly products: ((inputs: readonly TensorType[], output: TensorType, attrs: A) => Products) | null;
  /**
   * Passes over the last output beyond reading the inputs and writing the outputs once, for an operator that
   * runs as several ONNX operators. null if memory traffic does not count: a view copies nothing, and the
   * arithmetic of MatMul takes longer than its traffic.
   */
  readonly extraPasses: number | null;
  /** Transcendental functions (exp, tanh, …) per element of the last output. */
  readonly functions: number;
}

/**
 * What mixed precision does with an operator, after the cast policies of PyTorch's autocast:
 * - `low`: computes in the low-precision type.
 * - `float32`: computes in float32.
 * - `promote`: computes in the widest type of its inputs: low precision if all of them have it.
 * - `promote-bfloat16`: like `promote` under bfloat16, whose range is that of float32; float32 under float16.
 * - `passthrough`: like `promote`, and a weight that passes through it still counts as a weight.
 * - `store-low`: computes in float32 and stores its result in low precision only.
 * - `store-bfloat16`: like `store-low` under bfloat16; float32 under float16.
 *
 * Where the kernel computes in float32 inside (`float32Inside` of the provider), `float32` and `store-low` keep
 * low-precision inputs as they are.
 */
export type CastPolicy =
  'low' | 'float32' | 'promote' | 'promote-bfloat16' | 'passthrough' | 'store-low' | 'store-bfloat16';

/** One operator: everything that the passes, the export and the cost model know about it. */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string;
  /** Types of the outputs, or a sentence that says why the inputs do not fit. */
  infer(inputs: readonly TensorType[], attrs: A): readonly TensorType[] | string;
  /**
   * Gradient of each input (null: none) given the gradient `g` of the first output. `grad` reverses
   * broadcasting, so a rule need not. null if no gradient flows through the operator; absent if none is
   * known, and asking for it throws.
   */
  backward?: ((g: Value, context: BackwardContext<A>) => readonly (Value | null)[]) | null;
  /** Its ONNX node; null if ONNX has no such operator and `lower` always replaces it. */
  onnx?: ((node: OpNode<A>) => OnnxForm) | null;
  /** The same outputs computed by other operators, for providers that lack the ONNX operator. */
  lower?(inputs: readonly Value[], attrs: A): readonly Value[];
  readonly cost: OpCost<A>;
  readonly castPolicy: CastPolicy;
  /** The group of the CUDA kernel of our own that computes it. Without the kernel, `lower` replaces it. */
  readonly kernel?: KernelGroup;
  /** Inputs, by position, that mixed precision leaves in float32: statistics of rows. */
  readonly float32Inputs?: readonly number[];
  /** Each element of the output depends on the elements at the same position of the broadcast inputs. */
  readonly elementwise?: true;
  /** The output shares the memory of the first input. */
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

/** A constant with the given elements; a number alone makes a scalar. */
export function constant(
  values: number | ArrayLike<number>,
  dtype: DType = 'float32',
  shape: Shape = typeof values === 'number' ? [] : [values.length],
): Value {
  const elements = typeof values === 'number' ? [values] : values;
  if (elements.length !== countOf(shape)) {
    refuse('graph/shapes', {
      op: 'constant',
      shapes: `${elements.length} elements for [${shape.join(', ')}]`,
    });
  }
  const key =
    elements.length <= 32
      ? Array.from(elements, (x) => (Object.is(x, -0) ? '-0' : String(x))).join(' ')
      : hashElements(elements);
  return lazyConstant(key, dtype, shape, () => elements);
}

/**
 * A constant whose elements are created on demand: `create` runs at most once. `key` must identify the
 * elements among constants of the same dtype and shape.
 */
export function lazyConstant(
  key: string,
  dtype: DType,
  shape: Shape,
  create: () => ArrayLike<number>,
): Value {
  let elements: ArrayLike<number> | undefined;
  return {
    id: ++lastId,
    dtype,
    shape,
    constant: { key: `${dtype}[${shape.join(',')}] ${key}`, values: () => (elements ??= create()) },
  };
}

/** Adds a node and returns its outputs. Throws `graph/shapes` if `op.infer` rejects the inputs. */
export function emit<A extends Attrs>(op: Op<A>, inputs: readonly Value[], attrs: A): readonly Value[] {
  const types = op.infer(inputs, attrs);
  if (typeof types === 'string') {
    refuse('graph/shapes', {
      op: op.name,
      shapes: `${inputs.map(formatType).join(', ')}${formatAttrs(attrs)}: ${types}`,
    });
  }
  const outputs: Value[] = [];
  const node: Node = { op: op as unknown as Op, inputs, attrs, outputs };
  for (const { dtype, shape } of types) outputs.push({ id: ++lastId, dtype, shape, node });
  return outputs;
}

/** `emit` for an operator with one output. */
export const emitOne = <A extends Attrs>(op: Op<A>, inputs: readonly Value[], attrs: A): Value =>
  emit(op, inputs, attrs)[0]!;

/** Every node that `values` depend on, in order of creation. */
export function nodesOf(values: Iterable<Value>): readonly Node[] {
  const seen = new Set<Node>();
  const pending = [...values];
  for (let value = pending.pop(); value; value = pending.pop()) {
    if (!value.node || seen.has(value.node)) continue;
    seen.add(value.node);
    pending.push(...value.node.inputs);
  }
  return [...seen].sort((a, b) => a.outputs[0]!.id - b.outputs[0]!.id);
}

/** A graph with the given outputs. Its inputs, if not listed, are those that the outputs depend on. */
export function graphOf(outputs: Readonly<Record<string, Value>>, inputs?: readonly Value[]): Graph {
  return { outputs, inputs: inputs ?? leavesOf(outputs).filter((v) => v.name !== undefined) };
}

/** The inputs and constants that the outputs depend on, in order of creation. */
export function leavesOf(outputs: Readonly<Record<string, Value>>): readonly Value[] {
  const values = Object.values(outputs);
  const all = new Set([...values, ...nodesOf(values).flatMap((node) => node.inputs)]);
  return [...all].filter((v) => !v.node).sort((a, b) => a.id - b.id);
}

/** The number that all elements of a constant equal that has one element or repeats one; undefined otherwise. */
export function scalarOf(value: Value): number | undefined {
  const { node } = value;
  if (node) return node.op.name === 'Expand' || node.op.view ? scalarOf(node.inputs[0]!) : undefined;
  return value.constant && countOf(value.shape) === 1 ? value.constant.values()[0] : undefined;
}

/** Number of elements of a shape. */
export const countOf = (shape: Shape): number => shape.reduce((count, size) => count * size, 1);

/** A type as `float32[2, 3]`. */
export const formatType = ({ dtype, shape }: TensorType): string => `${dtype}[${shape.join(', ')}]`;

/** Attributes as ` {key: value}`, or an empty string if there are none. */
export function formatAttrs(attrs: Attrs): string {
  const entries = Object.entries(attrs).map(
    ([key, value]) => `${key}: ${typeof value === 'object' ? `[${value.join(', ')}]` : String(value)}`,
  );
  return entries.length > 0 ? ` {${entries.join(', ')}}` : '';
}

/** A hash of the elements: two 32-bit FNV-1a hashes, the second with the bits mixed in another order. */
function hashElements(elements: ArrayLike<number>): string {
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
