/**
 * @file Programs that write a text token by token: the prompt read once, then each token beside the keys and
 * values that are kept; and the same as one program whose lengths are open.
 */
import {
  add,
  cast,
  concat,
  constant,
  lazyConstant,
  cumsum,
  equal,
  gather,
  graphOf,
  greater,
  input,
  reshape,
  where,
  type Graph,
  type Value,
} from '../graph/ops/build.ts';
import type { Dims } from '../tensor/layout.ts';
import { after, fromStart, type Keeping, type Kept } from './cached.ts';
import type { ModelFamily, Settings } from './family.ts';
import { createModelBuilder } from './layers.ts';

/** A model's function, and its weights as a graph has them, by name. */
export interface ModelWithWeights {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly weights: ReadonlyMap<string, Value>;
}

/** What is kept of the attention number `layer`, as an input before a token and as an output after it. */
export const pastName = (layer: number, which: keyof Kept): string => `past/${layer}/${which}`;
export const presentName = (layer: number, which: keyof Kept): string => `present/${layer}/${which}`;
/** The input that an output becomes with the next token. */
export const pastNameOf = (present: string): string => present.replace('present', 'past');

/** The last norm's output [1, seq, hidden] of these tokens, and the logits of some of its rows. */
function read(
  { family, dims, settings, weights }: ModelWithWeights,
  tokens: Value,
  { placing }: Keeping,
  rows: (x: Value) => Value,
): Value {
  const reader = createModelBuilder(family, dims, settings, weights, undefined, placing);
  const x = family.forward(reader, tokens);
  return reader.head({ value: rows(x.value), axes: x.axes }).value;
}

const presents = ({ kept }: Keeping): Record<string, Value> =>
  Object.fromEntries(
    kept.flatMap(({ key, value }, layer) => [
      [presentName(layer, 'key'), key],
      [presentName(layer, 'value'), value],
    ]),
  );

/**
 * tokens [1, room] and `at` [1] → `logits` [vocab] after position `at`, and what is kept of every layer, [1,
 * heads, room, head_dim] each.
 */
export function prefillProgram(m: ModelWithWeights, room: number): Graph {
  const keeping = fromStart();
  const logits = read(m, input('tokens', 'int32', [1, room]), keeping, (x) =>
    gather(x, input('at', 'int32', [1]), 1),
  );
  return graphOf({ logits: reshape(logits, [m.dims['vocab']!]), ...presents(keeping) });
}

/**
 * One token [1, 1] at position `at` [1], with what is kept of those before it (`past/…`, room for `room`) →
 * `logits` [vocab], and what is kept now.
 */
export function decodeStepProgram(m: ModelWithWeights, room: number): Graph {
  const at = input('at', 'int32', [1]);
  const places = lazyConstant(`places ${room}`, 'float32', [room], () =>
    Float32Array.from({ length: room }, (_, i) => i),
  );
  const here = reshape(equal(places, cast(at, 'float32')), [1, 1, room, 1]);
  const keeping = after({
    at,
    most: room,
    places,
    join: (fresh, layer, which) =>
      where(
        here,
        fresh,
        input(pastName(layer, which), 'float32', [1, fresh.shape[1]!, room, fresh.shape[3]!]),
      ),
  });
  const logits = read(m, input('tokens', 'int32', [1, 1]), keeping, (x) => x);
  return graphOf({ logits: reshape(logits, [m.dims['vocab']!]), ...presents(keeping) });
}

/** The names that other programs know a decoder's inputs and outputs by (Hugging Face Optimum's). */
export const optimumNames = {
  tokens: 'input_ids',
  mask: 'attention_mask',
  positions: 'position_ids',
  logits: 'logits',
  past: (layer: number, which: keyof Kept): string => `past_key_values.${layer}.${which}`,
  present: (layer: number, which: keyof Kept): string => `present.${layer}.${which}`,
} as const;

/**
 * `sequence` tokens after `past` kept ones: input_ids and position_ids [1, sequence], attention_mask [1, past
 * + sequence] (0 where a place is not to be seen) and
 * past_key_values.{layer}.key and .value [1, heads, past, head_dim] → logits [1, sequence, vocab] and
 * present.{layer}.key and .value. Positions lie below `most`.
 */
export function exportedDecoderProgram(
  m: ModelWithWeights,
  { sequence, past, most }: { readonly sequence: number; readonly past: number; readonly most: number },
): Graph {
  const names = optimumNames;
  const tokens = input(names.tokens, 'int64', [1, sequence]);
  const mask = input(names.mask, 'int64', [1, past + sequence]);
  const positions = input(names.positions, 'int64', [1, sequence]);
  const before: Value[] = [];
  const places = where(
    greater(cast(mask, 'float32'), 0.5),
    add(cast(cumsum(mask, 1), 'float32'), -1),
    constant(2 ** 30),
  );
  const keeping = after({
    at: reshape(positions, [-1]),
    most,
    places,
    join: (fresh, layer, which) => {
      const old = input(names.past(layer, which), 'float32', [1, fresh.shape[1]!, past, fresh.shape[3]!]);
      before.push(old);
      return concat([old, fresh], 2);
    },
  });
  const logits = read(m, tokens, keeping, (x) => x);
  const kept = keeping.kept.flatMap(
    ({ key, value }, layer) =>
      [
        [names.present(layer, 'key'), key],
        [names.present(layer, 'value'), value],
      ] as const,
  );
  return graphOf({ [names.logits]: logits, ...Object.fromEntries(kept) }, [
    tokens,
    mask,
    positions,
    ...before,
    ...new Set(m.weights.values()),
  ]);
}
