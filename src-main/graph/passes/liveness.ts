/**
 * @file The cost of running a graph: its floating-point operations, and its peak memory in the execution order
 * of ONNX Runtime.
 */
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countOf, formatType, nodesOf, type Graph, type Node, type Value } from '../graph.ts';

/** Floating-point operations of one run. Only matrix products count, as in the 6N rule. */
export function countFlops({ outputs }: Graph): number {
  let flops = 0;
  for (const { op, inputs, outputs: results, attrs } of nodesOf(Object.values(outputs))) {
    flops += op.cost.products?.(inputs, results[0]!, attrs).flops ?? 0;
  }
  return flops;
}

/**
 * The order in which ONNX Runtime's sequential executor runs a model that `encodeOnnxModel` wrote: depth first
 * from the nodes whose outputs are unused. Of several nodes, it visits the one created earlier first.
 */
export function executionOrder({ outputs }: Graph): readonly Node[] {
  const nodes = nodesOf(Object.values(outputs));
  const position = new Map(nodes.map((node, i) => [node, i]));
  const used = new Set(nodes.flatMap((node) => node.inputs.map((v) => v.node)));
  const latestFirst = (some: Iterable<Node>): Node[] =>
    [...some].sort((a, b) => position.get(b)! - position.get(a)!);
  const order: Node[] = [];
  const visited = new Set<Node>();
  const done = new Set<Node>();
  const stack = latestFirst(nodes.filter((node) => !used.has(node)));
  for (let node = stack.at(-1); node; node = stack.at(-1)) {
    if (visited.has(node)) {
      stack.pop();
      if (!done.has(node)) {
        done.add(node);
        order.push(node);
      }
      continue;
    }
    visited.add(node);
    const producers = new Set(node.inputs.flatMap((v) => v.node ?? []));
    for (const producer of latestFirst(producers)) if (!visited.has(producer)) stack.push(producer);
  }
  return order;
}

/** The point of a run at which most memory is in use. */
export interface Liveness {
  /** Peak bytes of activations: the outputs of nodes, without inputs and constants. */
  readonly peakBytes: number;
  /** The node that runs at the peak; undefined for a graph without nodes. */
  readonly node?: Node;
  /** The values in memory at the peak. */
  readonly liveValues: readonly Value[];
}

export interface LivenessOptions {
  /** Whether the output with this name is written into existing memory. Default: none is. */
  readonly inPlace?: (name: string) => boolean;
  /** Default: `executionOrder(graph)`. */
  readonly order?: readonly Node[];
}

/**
 * Memory that several values use one after the other. It is allocated from the first node that writes to it
 * to the last that reads it, including the time in between.
 */
interface Buffer {
  readonly bytes: number;
  readonly from: number;
  until: number;
  readonly values: { readonly value: Value; readonly createdAt: number }[];
}

/**
 * Peak memory of a run, with buffers assigned as ONNX Runtime's planner does. An output lives from its node to
 * its last use, and a view keeps its input alive. An elementwise node writes into an operand that it is the
 * last to use. Any other output takes the newest free buffer of exactly its type, which therefore stays
 * allocated in between.
 */
export function analyzeLiveness(
  graph: Graph,
  { inPlace = () => false, order = executionOrder(graph) }: LivenessOptions = {},
): Liveness {
  return peakOf(planBuffers(graph, order, inPlace), order);
}

/** The owner of each value's memory, and the index of the last node that uses it. */
interface Lifetimes {
  /** The value whose memory `v` shares; `v` itself unless it is a view. */
  rootOf(v: Value): Value;
  readonly lastUse: ReadonlyMap<Value, number>;
}

function lifetimesOf(graph: Graph, order: readonly Node[]): Lifetimes {
  const roots = new Map<Value, Value>();
  const lastUse = new Map<Value, number>();
  const rootOf = (v: Value): Value => roots.get(v) ?? v;
  order.forEach((node, i) => {
    if (node.op.view) roots.set(node.outputs[0]!, rootOf(node.inputs[0]!));
    for (const v of [...node.outputs, ...node.inputs]) lastUse.set(rootOf(v), i);
  });
  for (const v of Object.values(graph.outputs)) lastUse.set(rootOf(v), order.length);
  return { rootOf, lastUse };
}

function planBuffers(
  graph: Graph,
  order: readonly Node[],
  inPlace: (name: string) => boolean,
): readonly Buffer[] {
  const { rootOf, lastUse } = lifetimesOf(graph, order);
  const external = new Set<Value>();
  for (const [name, v] of Object.entries(graph.outputs)) if (inPlace(name)) external.add(rootOf(v));
  const buffers: Buffer[] = [];
  const bufferOf = new Map<Value, Buffer>();
  const freeBuffers = new Map<string, Buffer[]>();

  const allocate = (v: Value, i: number): Buffer => {
    const spare = freeBuffers.get(formatType(v))?.pop();
    if (spare) return spare;
    const buffer: Buffer = { bytes: byteLengthOf(v.dtype, countOf(v.shape)), from: i, until: i, values: [] };
    buffers.push(buffer);
    return buffer;
  };
  const release = (v: Value, buffer: Buffer): void => {
    const type = formatType(v);
    freeBuffers.set(type, [...(freeBuffers.get(type) ?? []), buffer]);
  };

  order.forEach((node, i) => {
    const inputs = [...new Set(node.inputs.map(rootOf))];
    const ending = inputs.filter((v) => bufferOf.has(v) && lastUse.get(v) === i);
    const overwritten = new Set<Value>();
    /** An operand whose memory an elementwise node may overwrite with `v`. */
    const overwritableBy = (v: Value): Value | undefined => {
      if (!node.op.elementwise) return undefined;
      const operand = node.inputs.find((from) => {
        const root = rootOf(from);
        return formatType(from) === formatType(v) && ending.includes(root) && !overwritten.has(root);
      });
      return operand && rootOf(operand);
    };
    for (const v of node.outputs) {
      if (rootOf(v) !== v || external.has(v)) continue;
      const operand = overwritableBy(v);
      if (operand) overwritten.add(operand);
      const buffer = operand ? bufferOf.get(operand)! : allocate(v, i);
      buffer.values.push({ value: v, createdAt: i });
      buffer.until = Math.max(buffer.until, lastUse.get(v)!);
      bufferOf.set(v, buffer);
    }
    for (const v of [...ending, ...node.outputs]) {
      const buffer = bufferOf.get(v);
      if (buffer && !overwritten.has(v) && lastUse.get(v) === i) release(v, buffer);
    }
  });
  return buffers;
}

function peakOf(buffers: readonly Buffer[], order: readonly Node[]): Liveness {
  const changes = new Array<number>(order.length + 2).fill(0);
  for (const { bytes, from, until } of buffers) {
    changes[from]! += bytes;
    changes[until + 1]! -= bytes;
  }
  let bytes = 0;
  let peakBytes = 0;
  let peak = -1;
  order.forEach((_, i) => {
    bytes += changes[i]!;
    if (bytes > peakBytes) {
      peakBytes = bytes;
      peak = i;
    }
  });
  if (peak < 0) return { peakBytes, liveValues: [] };
  const liveValues = buffers
    .filter(({ from, until }) => from <= peak && until >= peak)
    .map(({ values }) => (values.findLast((v) => v.createdAt <= peak) ?? values[0]!).value);
  return { peakBytes, node: order[peak]!, liveValues };
}
