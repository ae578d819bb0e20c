/** @file The frequencies of rotary positions by type, as modeling_rope_utils.py of transformers computes them. */
import { toText } from '../base/json.ts';
import { refuse } from '../base/errors.ts';
import type { Settings } from './settings.ts';

/** The frequencies and scales of the rotated pairs of a head. */
export interface RotaryAngles {
  /** The frequency of each pair in radians per position, in a sequence of `length` tokens. */
  frequenciesFor(length: number): readonly number[];
  /** Whether the frequencies depend on the length. */
  readonly varies: boolean;
  /** The factor of cosines and sines at a position. */
  scaleAt(position: number): number;
  /** Text that is the same for equal angles. */
  readonly key: string;
}

/** The angles of heads of which `width` entries rotate. */
export function createRotaryAngles(width: number, s: Settings): RotaryAngles {
  const attentionFactor = Number(s['ropeAttentionFactor'] ?? 1);
  const beta = Number(s['ropeScalingBeta'] ?? 0);
  const original = Number(s['ropeOriginalPositions']);
  const lengths = lengthsThatDiffer(s).map((length) => ropeFrequencies(width, s, length).join());
  return {
    varies: lengths.length > 1,
    frequenciesFor: (length) => ropeFrequencies(width, s, length),
    scaleAt: (position) =>
      attentionFactor * (beta === 0 ? 1 : 1 + beta * Math.log(1 + Math.floor(position / original))),
    key: [attentionFactor, beta, beta === 0 ? '' : original, ...lengths].join(' '),
  };
}

/**
 * The longest sequence with the frequencies of a short one; Infinity where they never change with the length. Angles
 * of single positions agree with those of a whole sequence up to it.
 */
export function fixedLengthOf(s: Settings): number {
  const type = ropeTypeOf(s);
  if (type === 'longrope') return Number(s['ropeOriginalPositions']);
  return type === 'dynamic' ? Number(s['positions']) : Infinity;
}

/** One length of each kind that has frequencies of its own, as far as `key` must tell them apart. */
function lengthsThatDiffer(s: Settings): readonly number[] {
  const type = ropeTypeOf(s);
  if (type === 'longrope') return [1, Number(s['ropeOriginalPositions']) + 1];
  return type === 'dynamic' ? [1, 2 * Number(s['positions'])] : [1];
}

const ropeTypeOf = (s: Settings): string => toText(s['ropeType'] ?? 'default');

type Compute = (plain: readonly number[], s: Settings, length: number) => readonly number[];

const divideBy = (plain: readonly number[], factors: readonly number[]): readonly number[] =>
  plain.map((f, i) => f / factors[i]!);

/** Wavelengths above the original context are stretched, short ones stay, and those between are blended. */
const llama3: Compute = (plain, s) => {
  const factor = Number(s['ropeFactor']);
  const low = Number(s['ropeLowFreqFactor']);
  const high = Number(s['ropeHighFreqFactor']);
  const original = Number(s['ropeOriginalPositions']);
  return plain.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength > original / low) return f / factor;
    if (wavelength < original / high) return f;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
};

/** YaRN (Peng et al. 2023): pairs that turn often keep their frequency, the others are stretched. */
const yarn: Compute = (plain, s) => {
  const factor = Number(s['ropeFactor']);
  const width = 2 * plain.length;
  const pairThatTurns = (rotations: number): number =>
    (width * Math.log(Number(s['ropeOriginalPositions']) / (rotations * 2 * Math.PI))) /
    (2 * Math.log(Number(s['ropeTheta'])));
  const fast = pairThatTurns(Number(s['ropeBetaFast']));
  const slow = pairThatTurns(Number(s['ropeBetaSlow']));
  const truncates = s['ropeTruncate'] === true;
  const low = Math.max(truncates ? Math.floor(fast) : fast, 0);
  const high = Math.min(truncates ? Math.ceil(slow) : slow, width - 1);
  const span = low === high ? 0.001 : high - low;
  return plain.map((f, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / span));
    return (f / factor) * stretched + f * (1 - stretched);
  });
};

/** LongRoPE (Ding et al. 2024): a factor for each pair, of two lists for short and for long sequences. */
const longrope: Compute = (plain, s, length) => {
  const isLong = length > Number(s['ropeOriginalPositions']);
  return divideBy(plain, s[isLong ? 'ropeLongFactor' : 'ropeShortFactor'] as readonly number[]);
};

/** The frequencies of another base: base × factor^(width / (width - 2)). */
const withBaseTimes = (plain: readonly number[], factor: number): readonly number[] => {
  const width = 2 * plain.length;
  const base = factor ** (width / (width - 2));
  return plain.map((f, i) => f * base ** (-(2 * i) / width));
};

/** NTK-aware scaling: the base grows with sequences that are longer than max_position_embeddings. */
const dynamic: Compute = (plain, s, length) => {
  const factor = Number(s['ropeFactor']);
  const positions = Number(s['positions']);
  return withBaseTimes(plain, (factor * Math.max(length, positions)) / positions - (factor - 1));
};

const types: Readonly<Record<string, Compute>> = {
  default: (plain) => plain,
  linear: (plain, s) => plain.map((f) => f / Number(s['ropeFactor'])),
  dynamic,
  'ntk-alpha': (plain, s) => withBaseTimes(plain, Number(s['ropeAlpha'])),
  yarn,
  longrope,
  llama3,
};

/** The frequency of each pair of `width` rotated entries in a sequence of `length` tokens, in radians per position. */
export function ropeFrequencies(width: number, s: Settings, length = 1): readonly number[] {
  const base = Number(s['ropeTheta']);
  const plain = Array.from({ length: width / 2 }, (_, i) => base ** (-(2 * i) / width));
  const type = ropeTypeOf(s);
  const compute = types[type];
  if (!compute)
    return refuse('checkpoint/unsupported', {
      what: `rope type "${type}"`,
      why: `the known ones are ${Object.keys(types).join(', ')}`,
    });
  return compute(plain, s, length);
}

/** The settings of sliding layers with a base of their own, which is not scaled. */
export const withLocalRope = (s: Settings): Settings => ({
  ...s,
  ropeTheta: s['ropeLocalTheta']!,
  ropeType: 'default',
  ropeAttentionFactor: 1,
});

/** Whether wider heads can keep every frequency: types that act on each frequency by itself. */
export const keepsFrequenciesOfWiderHeads = (s: Settings): boolean =>
  ['default', 'linear', 'llama3'].includes(ropeTypeOf(s));
