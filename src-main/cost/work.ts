/**
 * @file What one update of a training costs in arithmetic, read off the graphs that the engine runs: every
 * matrix product counted, and what is moved beside them.
 */
import { countOf, nodesOf, type Graph, type Node, type Value } from '../graph/graph.ts';
import { bytesOf } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';

/** Work of a graph, or of one update. */
export interface Work {
  /**
   * Floating point operations of matrix products alone, 2·m·n·k each; attention counted in full, not the
   * causal half.
   */
  readonly flops: number;
  /**
   * The same operations in units of a large product's time, at a device where an inner size of `s` costs 1 +
   * `slack`/`s`: Σ 2·m·n·k / min(m, n, k).
   */
  readonly thin: number;
  /** Bytes that everything else reads and writes. */
  readonly bytes: number;
  /** Elements of functions that are more than a sum or a product: exponentials, roots, normalizations. */
  readonly functions: number;
  readonly nodes: number;
}

/**
 * Elements that an operator computes a function of, as a share of its (last) output's; anything else only
 * moves bytes.
 */
const functions: Readonly<Record<string, number>> = {
  Exp: 1,
  Log: 1,
  Tanh: 1,
  Erf: 1,
  Sigmoid: 1,
  Silu: 1,
  Gelu: 1,
  Pow: 1,
  Softmax: 2,
  LogSoftmax: 2,
  Attention: 2,
};
/** Passes over the output beside reading and writing it once, of rows that are several operators in ONNX. */
const passes: Readonly<Record<string, number>> = { Attention: 3, RmsNorm: 3, CrossEntropy: 2 };

const bytes = (v: Value): number => bytesOf(v.dtype, countOf(v.shape));

/** Smallest of the three sizes of a node's products. */
function inner({ op, inputs: [a, b], attrs }: Node): number {
  const [rows, columns] = a!.shape.slice(-2) as [number, number];
  if (op.name !== 'MatMul') return columns;
  const n = attrs['transB'] ? b!.shape.at(-2)! : b!.shape.at(-1)!;
  return Math.min(rows, columns, n);
}

function workOfNode(node: Node): Work {
  const { op, inputs, outputs, attrs } = node;
  const flops = op.flops?.(inputs, outputs[0]!, attrs) ?? 0;
  const last = outputs.at(-1)!;
  const touched = [...inputs, ...outputs].reduce((n, v) => n + bytes(v), 0);
  return {
    flops,
    thin: flops > 0 ? flops / inner(node) : 0,
    bytes: op.view || op.name === 'MatMul' ? 0 : touched + (passes[op.name] ?? 0) * bytes(last),
    functions: (functions[op.name] ?? 0) * countOf(last.shape),
    nodes: 1,
  };
}

export const noWork: Work = { flops: 0, thin: 0, bytes: 0, functions: 0, nodes: 0 };
export const addWork = (a: Work, b: Work, times = 1): Work => ({
  flops: a.flops + times * b.flops,
  thin: a.thin + times * b.thin,
  bytes: a.bytes + times * b.bytes,
  functions: a.functions + times * b.functions,
  nodes: a.nodes + times * b.nodes,
});

/** The work of one run of a graph. Its `flops` are `flopsOf(graph)` of graph/cost.ts. */
export const workOf = (graph: Graph): Work =>
  nodesOf(Object.values(graph.outputs)).reduce((sum, node) => addWork(sum, workOfNode(node)), noWork);

/**
 * Training FLOPs per token by the usual rule, to check by hand: 6·N + 12·L·H·Q·S with full square attention
 * (Chowdhery et al. 2022, appendix B).
 */
export const ruleOfThumb = (parameters: number, dims: Dims, sequence: number): number =>
  6 * parameters +
  12 *
    dims['layers']! *
    (dims['heads'] ?? (dims['kv_heads'] ?? 1) * (dims['group'] ?? 1)) *
    (dims['head_dim'] ?? 0) *
    sequence;
