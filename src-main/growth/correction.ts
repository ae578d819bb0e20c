/** @file The factors that keep a model's function when its axes are copied or padded, each with its reason (methods.md 1.1 to 1.6). */
import { density, type AxisMap } from '../tensor/axis-map.ts';
import { hasAxis, type Axis, type Dims } from '../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from '../model/family.ts';
import type { Factor } from './recipe.ts';

/** What the factors of a weight depend on. `map` answers for every axis, also those that stay. */
export interface Change {
  readonly family: ModelFamily;
  readonly tied: boolean;
  readonly from: Dims;
  readonly to: Dims;
  map(axis: Axis): AxisMap;
}

/** Whether the weight writes into the residual stream. */
export const writesStream = (family: ModelFamily, spec: TensorSpec): boolean =>
  (spec.kind === 'linear' || spec.kind === 'lookup' || spec.kind === 'bias') && hasAxis(spec.layout, family.stream.axis, 'out');

/** A linear sums over its inputs: equal copies are divided among themselves. Only input axes divide (methods.md 1.1). */
export function divisions(change: Change, spec: TensorSpec): readonly Factor[] {
  if (spec.kind !== 'linear') return [];
  return spec.layout.axes
    .filter(({ axis, role }) => role === 'in' && change.map(axis).copies > 1)
    .map(({ axis }) => ({ why: `sums ${change.map(axis).copies} equal copies of ${axis}`, by: 1 / change.map(axis).copies }));
}

/** All other factors. A padded stream is stretched by s, so that no norm's eps has to change (variant B, methods.md 1.6). */
export function corrections(change: Change, key: string, spec: TensorSpec): readonly Factor[] {
  const { family, from, to } = change, stream = change.map(family.stream.axis);
  const stretch = 1 / Math.sqrt(density(stream)), { norm } = family.stream;
  const embed = (family.embedScale?.(from) ?? 1) / (family.embedScale?.(to) ?? 1);
  const kept = norm === 'rms' ? 'mean square' : 'variance';
  const factors: Factor[] = [];
  if (writesStream(family, spec))
    factors.push({ why: `stretches the ${family.stream.axis} stream so that its ${kept} stays the same over ${stream.to} entries`, by: stretch });
  if (spec.kind === 'gain' && hasAxis(spec.layout, family.stream.axis)) factors.push({ why: 'undoes the stretching of the stream it reads', by: 1 / stretch });
  if (key === family.head.tiedTo) factors.push({ why: 'the family multiplies embeddings by a number that grows with the size', by: embed });
  if (change.tied && (spec.kind === 'gain' || spec.kind === 'shift') && key.startsWith(`${family.head.after}.`))
    factors.push({ why: tiedReason(stream, stretch * embed), by: 1 / (stream.copies * stretch * embed) });
  return [...factors.filter((f) => Math.abs(f.by - 1) > 1e-12), ...scoreFactors(change, key)];
}

function tiedReason(stream: AxisMap, scale: number): string {
  const copies = stream.copies > 1 ? `sums ${stream.copies} equal copies` : '', scaled = Math.abs(scale - 1) > 1e-12 ? 'has scaled weights' : '';
  return `the head is the embedding and ${[copies, scaled].filter(Boolean).join(' and ')}; this norm before it pays for that`;
}

/** Scores sum `copies` equal terms and are scaled by the head's width: queries and keys share the difference (methods.md 1.3). */
function scoreFactors({ family, from, to, map }: Change, key: string): readonly Factor[] {
  const { over, between, scale } = family.scores, by = (map(over).copies * scale(to) / scale(from)) ** -0.5;
  if (Math.abs(by - 1) < 1e-12) return [];
  return between.flatMap((name): Factor[] => {
    const [weight, part] = name.split('/');
    if (!key.includes(`.${weight!}.`)) return [];
    const why = `scores sum over ${over}, which grew; queries and keys share the difference`;
    if (part === undefined) return [{ why, by }];
    const [axis, entries] = Object.entries(family.parts).find(([, names]) => names.includes(part)) as [Axis, readonly string[]];
    return [{ why: `${why} (${part})`, by, part: { axis, entry: entries.indexOf(part) } }];
  });
}
