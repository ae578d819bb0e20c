/** @file The sizes of the study: `small` for one core of a CPU, `124M` for a GPU. */
import type { JsonObject } from '../../src-main/base/json.ts';
import type { GrowthRequest } from '../../src-main/growth/recipe.ts';
import type { Dims } from '../../src-main/tensor/layout.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { llama } from '../bench/cases.ts';

export interface Sizes {
  readonly hidden: number;
  readonly layers: number;
  readonly ffn: number;
}

export interface Scale {
  readonly id: string;
  readonly vocab: number;
  readonly headDim: number;
  readonly source: Sizes;
  /** Experts of the upcycled model, of which two are used for a token. */
  readonly experts: number;
  /** Tokens of the shortest run of each start. Longer ones have twice as many, and so on. */
  readonly tokens: number;
  /** How many times longer random weights and the grown model are trained at most, by doubling. */
  readonly longest: number;
  /** The source's curve is flat when its loss falls by less, in nats per million tokens. */
  readonly plateau: number;
  /** The source ends here if its curve is not flat before. */
  readonly sourceTokens: number;
  /** Learning rates of random weights that are tried first; further ones follow while the best is at an end. */
  readonly rates: readonly number[];
  /** The same for starts that have learned already. */
  readonly grownRates: readonly number[];
  /** Rates of hypercloning in longer runs, as multiples of its best in the shortest. */
  readonly longRates: readonly number[];
  /** Most further ones. */
  readonly furtherRates: number;
  readonly seeds: readonly number[];
  /** Held-out windows that final losses are measured on. */
  readonly windows: number;
  readonly settings: Pick<
    TrainingSettings,
    'microBatch' | 'gradAccum' | 'contextLength' | 'precision' | 'warmupSteps'
  > &
    Partial<TrainingSettings>;
  /** Bytes of text that the tokenizer is trained on. */
  readonly tokenizerBytes: number;
  /** True if the text of Debian's packages is long enough. */
  readonly usesPackages: boolean;
}

export const scales: Readonly<Record<string, Scale>> = {
  small: {
    id: 'small',
    vocab: 1024,
    headDim: 16,
    source: { hidden: 32, layers: 2, ffn: 96 },
    experts: 4,
    tokens: 1_024_000,
    longest: 8,
    plateau: 0.006,
    sourceTokens: 24_576_000,
    rates: [2e-3, 4e-3, 8e-3],
    grownRates: [5e-4, 1e-3],
    longRates: [1, 4],
    furtherRates: 0,
    seeds: [0, 1, 2],
    windows: 4096,
    settings: { microBatch: 32, gradAccum: 1, contextLength: 64, precision: 'float32', warmupSteps: 50 },
    tokenizerBytes: 16e6,
    usesPackages: true,
  },
  '124M': {
    id: '124M',
    vocab: 50_257,
    headDim: 64,
    source: { hidden: 768, layers: 12, ffn: 2048 },
    experts: 8,
    tokens: 2_621_440_000,
    longest: 8,
    plateau: 2e-5,
    sourceTokens: 41_943_040_000,
    rates: [3e-4, 6e-4, 1.2e-3],
    grownRates: [1e-4, 2e-4, 4e-4],
    longRates: [1, 2, 4],
    furtherRates: 2,
    seeds: [0, 1, 2],
    windows: 2048,
    settings: {
      microBatch: 32,
      gradAccum: 8,
      contextLength: 1024,
      precision: 'bfloat16',
      warmupSteps: 500,
      evaluationPrecision: 'float32',
    },
    tokenizerBytes: 256e6,
    usesPackages: false,
  },
};

export const configOf = (
  { vocab, headDim, settings }: Scale,
  { hidden, layers, ffn }: Sizes,
): JsonObject => ({
  ...llama({
    hidden,
    layers,
    heads: hidden / headDim,
    kvHeads: hidden / headDim,
    ffn,
    vocab,
    tied: true,
  }),
  max_position_embeddings: settings.contextLength,
});

/** The source with twice the width. */
export const targetOf = ({ source }: Scale): Sizes => ({
  ...source,
  hidden: 2 * source.hidden,
  ffn: 2 * source.ffn,
});

const request = (method: string, to: Dims, options: GrowthRequest['options'] = {}): GrowthRequest => ({
  method,
  to,
  options,
  seed: 0,
  dtype: 'keep',
});

/** The growths that the study compares, by name. All but the last two reach the target. */
export function recipesOf(scale: Scale): Readonly<Record<string, readonly GrowthRequest[]>> {
  const { hidden, ffn } = targetOf(scale);
  return {
    hypercloning: [request('hypercloning', { hidden, ffn })],
    expand: [request('expand', { hidden, ffn })],
    'shrink-perturb': [request('shrink-perturb', { hidden, ffn })],
    identity: [request('identity', { layers: 2 * scale.source.layers })],
    upcycle: [request('upcycle', {}, { experts: scale.experts, active: 2 })],
  };
}
