/**
 * @file The roofline of a graph on a GPU (Williams et al. 2009): the time of each kernel from the bytes that it
 * moves and the operations that it makes, against the bandwidth and the arithmetic of the device.
 */
import { countOf, nodesOf, type Graph, type Node, type Value } from '../graph/graph.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import { lowerGraph } from '../graph/onnx.ts';
import { byteLengthOf } from '../tensor/dtype.ts';

/** What a device does at best, and which share of it kernels reach. */
export interface RooflineDevice {
  /** FLOP/s of matrix products in the precision of the run. */
  readonly peak: number;
  /** Bytes per second. */
  readonly bandwidth: number;
  readonly efficiency: KernelEfficiency;
}

export interface KernelEfficiency {
  /** Share of the peak that a large matrix product reaches. */
  readonly products: number;
  /** Share of the peak that our attention kernels reach. */
  readonly attention: number;
  /** Share of the bandwidth that an elementwise kernel reaches. */
  readonly streams: number;
  /** Seconds that the shortest kernel takes, from its start to the start of the next. */
  readonly kernelSeconds: number;
}

/**
 * Usual values: cuBLAS reaches 70 to 75 % of an H100's peak in bfloat16, elementwise kernels 85 to 90 % of its
 * bandwidth, and kernels of a stream follow each other in about two microseconds. FlashAttention-2, whose
 * instructions our attention uses, reaches 35 % of an H100's peak (Shah et al. 2024). `npm run bench:gpu` measures
 * them.
 */
export const usualEfficiency: KernelEfficiency = {
  products: 0.72,
  attention: 0.35,
  streams: 0.85,
  kernelSeconds: 2.2e-6,
};

/** Kernels that are alike: the same operator on the same types, moving and computing the same. */
export interface KernelGroup {
  /** The operator and its types, such as `Cast bfloat16 → float32`. */
  readonly name: string;
  readonly count: number;
  /** Bytes that one of them reads and writes. */
  readonly bytes: number;
  /** Floating-point operations of its matrix products, 2·m·n·k each. */
  readonly flops: number;
  /** Whether they are attention kernels of our own. */
  readonly isAttention: boolean;
}

const bytesOf = (v: Value): number => byteLengthOf(v.dtype, countOf(v.shape));
const sumBytes = (values: readonly Value[]): number => values.reduce((sum, v) => sum + bytesOf(v), 0);

/** Operators that read of their first input only what they write. */
const selects = new Set(['Gather', 'GatherElements', 'Slice']);

/** Bytes that the kernel of a node reads and writes. */
function trafficOf({ op, inputs, outputs }: Node): number {
  const [first, ...others] = inputs;
  const read = selects.has(op.name) ? sumBytes(outputs) : bytesOf(first!);
  return read + sumBytes(others) + sumBytes(outputs);
}

/** The nodes that run: views move nothing, and ONNX Runtime computes nodes of constants when it opens a graph. */
function runningNodes(graph: Graph): readonly Node[] {
  const isConstant = new Set<Value>();
  return nodesOf(Object.values(graph.outputs)).filter((node) => {
    const isFolded = node.inputs.every((v) => v.constant !== undefined || isConstant.has(v));
    if (isFolded) for (const v of node.outputs) isConstant.add(v);
    return !isFolded && !node.op.view;
  });
}

const typesOf = (values: readonly Value[]): string => [...new Set(values.map((v) => v.dtype))].join(', ');

/** The kernels that the CUDA provider, and those of our own, run for a graph whose precision is chosen. */
export function kernelsOf(graph: Graph, ours: KernelChoice = noKernels): readonly KernelGroup[] {
  const groups = new Map<string, KernelGroup>();
  for (const node of runningNodes(lowerGraph(graph, 'cuda', ours))) {
    const { op, inputs, outputs, attrs } = node;
    const flops = op.cost.products?.(inputs, outputs[0]!, attrs).flops ?? 0;
    const bytes = trafficOf(node);
    const isAttention = op.kernel === 'attention';
    const name = `${op.name} ${typesOf(inputs)} → ${typesOf(outputs)}`;
    const key = `${name} ${bytes} ${flops}`;
    groups.set(key, { name, bytes, flops, isAttention, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()];
}

/** Seconds that each limit of the device allows one kernel of a group; the longest is its time. */
export const boundsOf = (
  { flops, bytes, isAttention }: KernelGroup,
  { peak, bandwidth, efficiency }: RooflineDevice,
): { readonly arithmetic: number; readonly memory: number; readonly launch: number } => ({
  arithmetic: flops / (peak * (isAttention ? efficiency.attention : efficiency.products)),
  memory: bytes / (bandwidth * efficiency.streams),
  launch: efficiency.kernelSeconds,
});

/** Seconds of one kernel of a group. */
export const secondsOfKernel = (kernel: KernelGroup, device: RooflineDevice): number =>
  Math.max(...Object.values(boundsOf(kernel, device)));

/** Seconds of all kernels, one after the other. */
export const rooflineSeconds = (kernels: readonly KernelGroup[], device: RooflineDevice): number =>
  kernels.reduce((sum, kernel) => sum + kernel.count * secondsOfKernel(kernel, device), 0);

/** Totals of kernels: a batched matrix product counts as one product, and everything else as a kernel. */
export interface KernelTotals {
  readonly kernels: number;
  readonly products: number;
  readonly bytes: number;
  readonly flops: number;
}

export function totalsOf(groups: readonly KernelGroup[]): KernelTotals {
  const total = (of: (group: KernelGroup) => number): number =>
    groups.reduce((sum, group) => sum + group.count * of(group), 0);
  return {
    kernels: total(({ flops }) => Number(flops === 0)),
    products: total(({ flops }) => Number(flops > 0)),
    bytes: total(({ bytes }) => bytes),
    flops: total(({ flops }) => flops),
  };
}
