/**
 * @file Reading on after what was read before: keys and values that are kept, and a reader for tokens that
 * come after kept ones.
 */
import {
  add,
  and,
  cast,
  concat,
  constant,
  gather,
  greater,
  less,
  matmul,
  reshape,
  softmax,
  sub,
  where,
  type Value,
} from '../graph/ops/build.ts';
import {
  angles,
  softcap,
  hidden,
  rotary,
  sharedAxes,
  wholeSequence,
  type AttentionHow,
  type SequenceContext,
} from './layers.ts';
import { nameAxes, permute, type NamedValue } from './named.ts';

/** Keys and values of one attention, [1, heads that share nothing, places, head_dim] each. */
export interface Kept {
  readonly key: Value;
  readonly value: Value;
}

/** What an attention of a reader with a cache has to say: its keys and values, in the order of the layers. */
export interface Keeping {
  readonly placing: SequenceContext;
  readonly kept: readonly Kept[];
}

/** Keys or values [1, seq, heads…, width] as they are kept. */
function keep(x: NamedValue): Value {
  const heads = x.axes.filter((axis) => axis !== 'batch' && axis !== 'seq' && axis !== 'head_dim');
  const { value } = permute(x, ['batch', ...heads, 'seq', 'head_dim']);
  return reshape(value, [1, -1, ...value.shape.slice(-2)]);
}

/** A whole text [1, seq] read as ever; its keys and values are kept. */
export function fromStart(): Keeping {
  const kept: Kept[] = [];
  return {
    kept,
    placing: {
      ...wholeSequence,
      attention: (q, k, v, scale, how) => {
        kept.push({ key: keep(k), value: keep(v) });
        return wholeSequence.attention(q, k, v, scale, how);
      },
    },
  };
}

/** Where tokens stand that are read after others. */
export interface Standing {
  /** Positions of the tokens, [seq], int32 or int64. */
  readonly at: Value;
  /** Positions are below this. */
  readonly most: number;
  /**
   * Positions of what is kept once the tokens are read, [places] of float32; a place that no token may see
   * stands beyond `most`.
   */
  readonly places: Value;
  /**
   * What is kept then, of `fresh` [1, heads, seq, width] and of what was kept before, of the attention number
   * `layer`.
   */
  join(fresh: Value, layer: number, which: keyof Kept): Value;
}

/**
 * Tokens that come after others: their keys and values join those that are kept, and they see what stands
 * before them.
 */
export function after({ at, most, places, join }: Standing): Keeping {
  const kept: Kept[] = [];
  const position = cast(at, 'float32');
  const places1 = reshape(places, [1, -1]);
  /** 0 where a row sees a place, [share × seq, places]: `share` rows in turn for each token. */
  const mask = (share: number, window: number): Value => {
    const back = sub(reshape(concat(Array<Value>(share).fill(position), 0), [-1, 1]), places1);
    const before = greater(back, -0.5);
    return where(
      Number.isFinite(window) ? and(before, less(back, window - 0.5)) : before,
      constant(0),
      hidden,
    );
  };
  return {
    kept,
    placing: {
      rotary: (x, s) =>
        rotary(x, s, ({ rates }) => [
          gather(angles('cos', most, rates), at),
          gather(angles('sin', most, rates), at),
        ]),
      rows: (_, first) => reshape(first === 0 ? at : add(at, constant(first, at.dtype)), [1, -1]),
      attention(
        q: NamedValue,
        k: NamedValue,
        v: NamedValue,
        scale: number,
        { window = Infinity, cap }: AttentionHow = {},
      ): NamedValue {
        const layer = kept.length;
        const now: Kept = { key: join(keep(k), layer, 'key'), value: join(keep(v), layer, 'value') };
        kept.push(now);
        const { lead, own } = sharedAxes(q, k);
        const asked = permute(q, [...lead, ...own, 'seq', 'head_dim']).value;
        const seq = asked.shape.at(-2)!;
        const heads = now.key.shape[1]!;
        const rows = reshape(asked, [1, heads, -1, asked.shape.at(-1)!]);
        const scores = matmul(rows, now.key, { transB: true, alpha: scale });
        const heard = matmul(
          softmax(add(cap === undefined ? scores : softcap(scores, cap), mask(rows.shape[2]! / seq, window))),
          now.value,
        );
        return nameAxes(
          reshape(heard, [...asked.shape.slice(0, -1), heard.shape.at(-1)!]),
          ...lead,
          ...own,
          'seq',
          'head_dim',
        );
      },
    },
  };
}
