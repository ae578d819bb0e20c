/**
 * @file The work of a training update, counted from the graphs that the engine runs: matrix products, memory
 * traffic, transcendental functions and nodes.
 */
import { countOf, nodesOf, type Graph, type Node, type Value } from '../graph/graph.ts';
import { byteLengthOf } from '../tensor/dtype.ts';
import type { Dims } from '../tensor/layout.ts';

/** Work of a graph, or of one update. */
export interface Work {
  /**
   * Floating-point operations of matrix products, 2·m·n·k each. Attention counts in full, not only its causal
   * half.
   */
  readonly flops: number;
  /**
   * Σ 2·m·n·k / min(m, n, k) over the matrix products. On a device where a product whose shortest side is `s`
   * takes 1 + `slack`/`s` times as long as a large one, `slack` times this is the extra work.
   */
  readonly thin: number;
  /** Bytes that operators other than matrix products read and write. */
  readonly bytes: number;
  /** Transcendental functions evaluated, one per element: exp, log, tanh, … */
  readonly functions: number;
  readonly nodes: number;
}

const valueBytes = (v: Value): number => byteLengthOf(v.dtype, countOf(v.shape));

function workOfNode({ op, inputs, outputs, attrs }: Node): Work {
  const { products, extraPasses, functions } = op.cost;
  const last = outputs.at(-1)!;
  const { flops, smallestSide } = products?.(inputs, outputs[0]!, attrs) ?? { flops: 0, smallestSide: 1 };
  const traffic = [...inputs, ...outputs].reduce((bytes, v) => bytes + valueBytes(v), 0);
  return {
    flops,
    thin: flops > 0 ? flops / smallestSide : 0,
    bytes: extraPasses === null ? 0 : traffic + extraPasses * valueBytes(last),
    functions: functions * countOf(last.shape),
    nodes: 1,
  };
}

export const noWork: Work = { flops: 0, thin: 0, bytes: 0, functions: 0, nodes: 0 };

/** `a` plus `times` times `b`. */
export const addWork = (a: Work, b: Work, times = 1): Work => ({
  flops: a.flops + times * b.flops,
  thin: a.thin + times * b.thin,
  bytes: a.bytes + times * b.bytes,
  functions: a.functions + times * b.functions,
  nodes: a.nodes + times * b.nodes,
});

/** The work of one run of a graph. Its `flops` equal `countFlops(graph)`. */
export const workOf = (graph: Graph): Work =>
  nodesOf(Object.values(graph.outputs)).reduce((sum, node) => addWork(sum, workOfNode(node)), noWork);

/**
 * Training FLOPs per token by the usual rule, as a check: 6·N + 12·L·H·Q·S with full attention (Chowdhery et
 * al. 2022, appendix B).
 */
export const ruleOfThumb = (parameters: number, dims: Dims, contextLength: number): number =>
  6 * parameters +
  12 *
    dims['layers']! *
    (dims['heads'] ?? (dims['kv_heads'] ?? 1) * (dims['group'] ?? 1)) *
    (dims['head_dim'] ?? 0) *
    contextLength;
