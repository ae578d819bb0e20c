/**
 * @file Graphs that generate text with a key-value cache: one reads the prompt, one reads a single next token, and
 * one has dynamic lengths for exported models.
 */
import {
  add,
  cast,
  concat,
  constant,
  cumsum,
  equal,
  gather,
  graphOf,
  greater,
  input,
  lazyConstant,
  reshape,
  where,
  type Graph,
  type Value,
} from '../graph/ops/build.ts';
import type { Dims } from '../tensor/layout.ts';
import { continueSequence, prefillSequence, type CachedSequence, type KeyValue } from './cached-attention.ts';
import type { ModelFamily } from './family.ts';
import { createModelBuilder } from './model-builder.ts';
import type { Settings } from './settings.ts';

/** A model and its weights as values of a graph, by name. */
export interface ModelWithWeights {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly weights: ReadonlyMap<string, Value>;
}

/** The input with the cache of a layer before the token. */
export const pastName = (layer: number, which: keyof KeyValue): string => `past/${layer}/${which}`;
/** The output with the cache of a layer after the token. */
export const presentName = (layer: number, which: keyof KeyValue): string => `present/${layer}/${which}`;
/** The input that takes this output's value at the next token. */
export const pastNameOf = (present: string): string => present.replace('present', 'past');

/** Logits of the rows that `selectRows` takes from the last norm's output [batch, seq, hidden]. */
function logitsOf(
  { family, dims, settings, weights }: ModelWithWeights,
  tokens: Value,
  { context }: CachedSequence,
  selectRows: (x: Value) => Value = (x) => x,
): Value {
  const builder = createModelBuilder(family, dims, settings, weights, undefined, context);
  const x = family.forward(builder, tokens);
  return builder.head({ value: selectRows(x.value), axes: x.axes }).value;
}

/** The cache of every layer, by the name that `nameOf` gives. */
const cacheOutputs = (
  { cache }: CachedSequence,
  nameOf: (layer: number, which: keyof KeyValue) => string,
): Record<string, Value> =>
  Object.fromEntries(
    cache.flatMap(({ key, value }, layer) => [
      [nameOf(layer, 'key'), key],
      [nameOf(layer, 'value'), value],
    ]),
  );

/**
 * Reads `batch` prompts of the same length. Inputs: `tokens` [batch, length] and `at` [1], the position of their
 * last token. Outputs: `logits` [batch × vocab] at that position, and the cache of every layer, [batch, heads,
 * length, head_dim].
 */
export function prefillProgram(m: ModelWithWeights, length: number, batch = 1): Graph {
  const sequence = prefillSequence();
  const tokens = input('tokens', 'int32', [batch, length]);
  const logits = logitsOf(m, tokens, sequence, (x) => gather(x, input('at', 'int32', [1]), 1));
  return graphOf({ logits: reshape(logits, [-1]), ...cacheOutputs(sequence, presentName) });
}

/**
 * Reads one more token of each of `batch` texts. Inputs: `tokens` [batch, 1], their position `at` [1], and the
 * cache (`past/…`, `length` slots). Outputs: `logits` [batch × vocab] and the new cache.
 */
export function decodeStepProgram(m: ModelWithWeights, length: number, batch = 1): Graph {
  const at = input('at', 'int32', [1]);
  const slots = lazyConstant(`slots ${length}`, 'float32', [length], () =>
    Float32Array.from({ length }, (_, i) => i),
  );
  const isCurrent = reshape(equal(slots, cast(at, 'float32')), [1, 1, length, 1]);
  const sequence = continueSequence({
    positions: at,
    maxPositions: length,
    slotPositions: slots,
    updateCache: (fresh, layer, which) => {
      const shape = [batch, fresh.shape[1]!, length, fresh.shape[3]!];
      return where(isCurrent, fresh, input(pastName(layer, which), 'float32', shape));
    },
  });
  const logits = logitsOf(m, input('tokens', 'int32', [batch, 1]), sequence);
  return graphOf({ logits: reshape(logits, [-1]), ...cacheOutputs(sequence, presentName) });
}

/** Input and output names of decoders exported by Hugging Face Optimum, which other programs expect. */
export const optimumNames = {
  tokens: 'input_ids',
  mask: 'attention_mask',
  positions: 'position_ids',
  logits: 'logits',
  past: (layer: number, which: keyof KeyValue): string => `past_key_values.${layer}.${which}`,
  present: (layer: number, which: keyof KeyValue): string => `present.${layer}.${which}`,
} as const;

export interface ExportedLengths {
  readonly sequence: number;
  readonly past: number;
  readonly maxPositions: number;
}

/**
 * Reads `sequence` tokens after `past` cached ones.
 *
 * Inputs: input_ids and position_ids [1, sequence], attention_mask [1, past + sequence] (0 for slots to
 * ignore), past_key_values.{layer}.key and .value [1, heads, past, head_dim]. Outputs: logits [1, sequence,
 * vocab], present.{layer}.key and .value. Positions must be below `maxPositions`.
 */
export function exportedDecoderProgram(
  m: ModelWithWeights,
  { sequence, past, maxPositions }: ExportedLengths,
): Graph {
  const names = optimumNames;
  const tokens = input(names.tokens, 'int64', [1, sequence]);
  const mask = input(names.mask, 'int64', [1, past + sequence]);
  const positions = input(names.positions, 'int64', [1, sequence]);
  const pastInputs: Value[] = [];
  const slotPositions = where(
    greater(cast(mask, 'float32'), 0.5),
    add(cast(cumsum(mask, 1), 'float32'), -1),
    constant(2 ** 30),
  );
  const cached = continueSequence({
    positions: reshape(positions, [-1]),
    maxPositions,
    slotPositions,
    updateCache: (fresh, layer, which) => {
      const shape = [1, fresh.shape[1]!, past, fresh.shape[3]!];
      const old = input(names.past(layer, which), 'float32', shape);
      pastInputs.push(old);
      return concat([old, fresh], 2);
    },
  });
  const logits = logitsOf(m, tokens, cached);
  const outputs = { [names.logits]: logits, ...cacheOutputs(cached, names.present) };
  const weights = new Set(m.weights.values());
  return graphOf(outputs, [tokens, mask, positions, ...pastInputs, ...weights]);
}
