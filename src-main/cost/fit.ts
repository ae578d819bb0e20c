/**
 * @file Settings with which a run fits that ran out of memory: the same batches in smaller pieces, less held,
 * fewer bits; and what is said of it.
 */
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import { recomputeFor } from '../graph/passes/recompute.ts';
import { precisionsOf } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { memoryOf } from './memory.ts';
import { programsOf, type Subject } from './programs.ts';

type Change = Partial<
  Pick<TrainingSettings, 'batch' | 'accumulate' | 'sequence' | 'recompute' | 'precision'>
>;

/** A change in words, and what the run would need with it, in bytes. */
export interface Fitting {
  readonly what: string;
  readonly change: Change;
  readonly bytes: number;
}

/** How many are offered. */
const offered = 3;
/**
 * Shares of the memory that is there, and of what the run was predicted to need as it is, that a change must
 * stay below.
 */
const room = 0.9;
const less = 0.95;

const shorter: Readonly<Record<DeviceKind, Change>> = {
  cpu: {},
  webgpu: { precision: 'float16' },
  cuda: { precision: 'bfloat16' },
};

/**
 * Changes from the least intrusive on. An update stays over the same sequences, so that all but the last few
 * go on exactly where the run is.
 */
function changes(s: TrainingSettings, device: DeviceKind): readonly Change[] {
  const pieces = Array.from({ length: s.batch - 1 }, (_, i) => s.batch - 1 - i)
    .filter((b) => s.batch % b === 0 && b <= s.batch / 2)
    .map((batch) => ({ batch, accumulate: s.accumulate * (s.batch / batch) }));
  const held = recomputeFor(s.recompute, s.sequence);
  const attention: Change[] = held === 'off' ? [{ recompute: 'attention' }] : [];
  const full: Change[] = held === 'full' ? [] : [{ recompute: 'full' }];
  const fewer =
    s.precision === 'float32' &&
    shorter[device].precision !== undefined &&
    precisionsOf[device].includes(shorter[device].precision)
      ? [shorter[device]]
      : [];
  const all = full[0] ?? {};
  const smallest = pieces.at(-1) ?? {};
  const least = { ...smallest, ...all, ...fewer[0] };
  const every: readonly Change[] = [
    ...pieces.slice(0, 1),
    ...attention,
    ...full,
    ...fewer,
    ...pieces.slice(1),
    ...(full.length ? pieces.map((p) => ({ ...p, ...all })) : []),
    ...(fewer.length ? [least] : []),
    ...[2, 4, 8].flatMap((n) =>
      s.sequence / n >= 16 ? [{ ...least, sequence: Math.floor(s.sequence / n) }] : [],
    ),
  ];
  return every.filter((change, i) => every.findIndex((other) => inWords(other) === inWords(change)) === i);
}

/**
 * The first changes with which a run would stay within `capacity` bytes (null where it is unknown) and need
 * clearly less than now; none where nothing does.
 */
export function settingsThatFit(
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
): readonly Fitting[] {
  const needs = (settings: TrainingSettings): number =>
    memoryOf(programsOf(subject, settings, device), settings, device).total.likely;
  const most = Math.min(less * needs(s), capacity === null ? Infinity : room * capacity);
  const found: Fitting[] = [];
  for (const change of changes(s, device)) {
    const bytes = needs({ ...s, ...change });
    if (bytes <= most) found.push({ what: inWords(change), change, bytes });
    if (found.length === offered) break; // each costs a whole graph
  }
  return found;
}

const recomputing = {
  attention: 'recompute attention',
  full: 'recompute full',
  off: 'recompute off',
  auto: 'recompute auto',
} as const;
const inWords = ({ batch, accumulate, sequence, recompute, precision }: Change): string =>
  [
    ...(batch === undefined ? [] : [`batch ${batch}`]),
    ...(accumulate === undefined ? [] : [`accumulate ${accumulate}`]),
    ...(recompute === undefined ? [] : [recomputing[recompute]]),
    ...(precision === undefined ? [] : [`precision ${precision}`]),
    ...(sequence === undefined ? [] : [`sequence ${sequence}`]),
  ].join(', ');

/** Share of the memory from which on a process that the system killed is taken to have had too little. */
const suspicious = 0.6;

/**
 * The error of a run that ended, with what would fit where it ran out of memory; other errors as they are.
 * A process that the system killed says nothing itself: it counts as out of memory where the prediction comes
 * near to what there is: on the processor, for the system kills for its own memory and not for a GPU's.
 */
export function explained(
  error: ErrorData,
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
): ErrorData {
  const killed =
    error.code === 'engine/crashed' && /^killed by the system/.test((error.detail as { how: string }).how);
  if (
    killed &&
    (device !== 'cpu' ||
      capacity === null ||
      memoryOf(programsOf(subject, s, device), s, device).total.likely < suspicious * capacity)
  )
    return error;
  if (!killed && error.code !== 'engine/out-of-memory') return error;
  const detail = killed
    ? { device, detail: (error.detail as { how: string }).how }
    : (error.detail as { device: string; detail: string });
  return {
    code: 'engine/out-of-memory',
    detail: { ...detail, fits: settingsThatFit(subject, s, device, capacity) },
  };
}
