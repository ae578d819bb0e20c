/** @file FlashAttention and its gradients: launches and trials. */
import { keyGradientParts, type FlashAttrs } from '../../graph/ops/kernels/attention.ts';
import type { KernelOpName } from '../../graph/ops/kernels/index.ts';
import { countElements } from '../../tensor/layout.ts';
import { deltaSource, forwardSource, keyGradientSource, queryGradientSource } from './attention-source.ts';
import { typeCodes } from './elements.ts';
import { warp, type Kernel, type Launch, type Trial, type TrialInput } from './kernel.ts';

/** Rows of a block, and its threads: 16 rows for each warp. */
const rows = 64;
const threads = 128;

interface Tiling {
  /** Where q is among the inputs, and documents if there are any. */
  readonly queryAt: number;
  readonly documentsAt: number;
  /** Whether the rows of a block are keys. */
  readonly byKeys: boolean;
  /** Tiles of `rows` rows, and of `columns` rows for each stage. */
  readonly fixedTiles: number;
  readonly columns: (head: number) => number;
  /** How many blocks share the columns of a head. */
  readonly parts: (head: number) => number;
}

/** Two stages overlap copies with products, if a block of every GPU since sm_80 has the memory (99 KB). */
function stagesOf({ fixedTiles }: Tiling, head: number, columns: number): 1 | 2 {
  const bytes = 2 * (head + 8) * (fixedTiles * rows + 2 * 2 * columns);
  return bytes <= 99 * 1024 ? 2 : 1;
}

const launchTiles =
  (tiling: Tiling): Kernel['launch'] =>
  ({ inputs, attrs }): Launch => {
    const { queryHeads, keyHeads, scale, window, softcap } = attrs as FlashAttrs;
    const { dtype, shape } = inputs[tiling.queryAt]!;
    const [batch, seq, width] = shape as [number, number, number];
    const head = width / queryHeads;
    const columns = tiling.columns(head);
    const stages = stagesOf(tiling, head, columns);
    const parts = tiling.parts(head);
    return {
      defines: {
        TYPE: typeCodes[dtype]!,
        HEAD: head,
        COLUMNS: columns,
        STAGES: stages,
        PARTS: parts,
        WINDOW: window,
        SOFTCAP: Number(softcap > 0),
        DOCUMENTS: Number(inputs.length > tiling.documentsAt),
      },
      grid: [Math.ceil(seq / rows) * parts, tiling.byKeys ? keyHeads : queryHeads, batch],
      threads,
      sharedBytes: 2 * (head + 8) * (tiling.fixedTiles * rows + 2 * stages * columns),
      scalars: [{ int: seq }, { int: queryHeads }, { int: keyHeads }, { float: scale }, { float: softcap }],
    };
  };

interface Case {
  readonly title: string;
  readonly batch: number;
  readonly seq: number;
  readonly head: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly window?: number;
  readonly softcap?: number;
  /** Documents are about this long. */
  readonly documents?: number;
}

/** A single row, lengths that fill no tile, every head width of a kind, groups, windows, caps and documents. */
const cases: readonly Case[] = [
  { title: 'one position', batch: 1, seq: 1, head: 32, queryHeads: 1, keyHeads: 1 },
  { title: 'two tiles and a part', batch: 1, seq: 131, head: 64, queryHeads: 1, keyHeads: 1 },
  { title: 'grouped queries', batch: 1, seq: 70, head: 128, queryHeads: 4, keyHeads: 2 },
  { title: 'a window', batch: 1, seq: 150, head: 48, queryHeads: 2, keyHeads: 1, window: 70 },
  { title: 'a window of one', batch: 1, seq: 66, head: 16, queryHeads: 1, keyHeads: 1, window: 1 },
  { title: 'a soft-cap', batch: 1, seq: 66, head: 96, queryHeads: 2, keyHeads: 2, softcap: 2 },
  { title: 'wide heads', batch: 1, seq: 67, head: 256, queryHeads: 2, keyHeads: 1 },
  { title: 'documents', batch: 2, seq: 73, head: 32, queryHeads: 2, keyHeads: 1, documents: 30 },
];

const floatOf = (dtype: TrialInput['dtype'], shape: readonly number[]): TrialInput => ({ dtype, shape });

/** The inputs of each case; `isGradient` for those of the backward kernels. */
const trialsOf =
  (isGradient: boolean): Kernel['trials'] =>
  (type): readonly Trial[] =>
    cases.map(({ title, batch, seq, head, queryHeads, keyHeads, window = 0, softcap = 0, documents }) => {
      const q = floatOf(type, [batch, seq, queryHeads * head]);
      const k = floatOf(type, [batch, seq, keyHeads * head]);
      const statistics = [batch, queryHeads, seq];
      const logSums: TrialInput = { dtype: 'float32', shape: statistics, range: [3, 5] };
      const delta: TrialInput = { dtype: 'float32', shape: statistics };
      const last = Math.max(1, Math.round(seq / (documents ?? seq)));
      const ids: TrialInput = { dtype: 'int32', shape: [batch, seq], range: [0, last] };
      const inputs = isGradient ? [q, q, k, k, logSums, delta] : [q, k, k];
      const attrs: FlashAttrs = { queryHeads, keyHeads, scale: 1 / Math.sqrt(head), window, softcap };
      return { title, inputs: documents ? [...inputs, ids] : inputs, attrs };
    });

const lowTypes = ['bfloat16', 'float16'] as const;

const flash = (op: KernelOpName, source: string, tiling: Tiling): Kernel => ({
  op,
  source,
  fastMath: true,
  types: lowTypes,
  launch: launchTiles(tiling),
  trials: trialsOf(tiling.queryAt > 0),
});

const delta: Kernel = {
  op: 'AttentionDelta',
  source: deltaSource,
  fastMath: false,
  types: ['float32', ...lowTypes],
  launch({ inputs: [g], attrs }) {
    const [, seq, width] = g!.shape as [number, number, number];
    const heads = attrs['queryHeads'] as number;
    const count = (countElements(g!.shape) / width) * heads;
    return {
      defines: { TYPE: typeCodes[g!.dtype]!, HEAD: width / heads, THREADS: threads },
      grid: [Math.ceil(count / (threads / warp)), 1, 1],
      threads,
      sharedBytes: 0,
      scalars: [{ int: seq }, { int: heads }, { int: count }],
    };
  },
  trials: (type) =>
    cases.slice(0, 4).map(({ title, batch, seq, head, queryHeads }) => {
      const x = floatOf(type, [batch, seq, queryHeads * head]);
      return { title, inputs: [x, x], attrs: { queryHeads } };
    }),
};

export const attentionKernels: readonly Kernel[] = [
  flash('FlashAttention', forwardSource, {
    queryAt: 0,
    documentsAt: 3,
    byKeys: false,
    fixedTiles: 1,
    columns: (head) => (head > 128 ? 32 : rows),
    parts: () => 1,
  }),
  delta,
  flash('FlashQueryGradient', queryGradientSource, {
    queryAt: 1,
    documentsAt: 6,
    byKeys: false,
    fixedTiles: 2,
    columns: (head) => (head > 64 ? 32 : rows),
    parts: () => 1,
  }),
  flash('FlashKeyGradient', keyGradientSource, {
    queryAt: 1,
    documentsAt: 6,
    byKeys: true,
    fixedTiles: 2,
    columns: (head) => (head > 64 ? 32 : rows),
    parts: keyGradientParts,
  }),
];
