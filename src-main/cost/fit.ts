/** @file Changes of settings with which a run that ran out of memory would fit on its device. */
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import { resolveCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import { precisionsOf, type Precision } from '../train/precision.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { memoryOf } from './memory.ts';
import { programsOf, type Subject } from './programs.ts';

type Change = Partial<
  Pick<
    TrainingSettings,
    'microBatch' | 'gradAccum' | 'contextLength' | 'activationCheckpointing' | 'precision'
  >
>;

/** A change in words, and the bytes that the run would need with it. */
export interface Fitting {
  readonly what: string;
  readonly change: Change;
  readonly bytes: number;
}

/** Most changes that are offered. Each candidate costs the construction of a graph. */
const offeredChanges = 3;
/** A change must need less than this share of the device's memory … */
const capacityShare = 0.9;
/** … and less than this share of what the run was predicted to need. */
const improvement = 0.95;
/** Shorter contexts than this are not offered. */
const shortestContext = 16;

/** The shorter type that a device can train in. */
const shorterPrecision: Readonly<Partial<Record<DeviceKind, Precision>>> = {
  webgpu: 'float16',
  cuda: 'bfloat16',
};

/** Smaller micro-batches with the same sequences in an update, from half the size down. */
function smallerBatches({ microBatch, gradAccum }: TrainingSettings): readonly Change[] {
  const sizes = Array.from({ length: microBatch }, (_, i) => microBatch - i);
  return sizes
    .filter((size) => microBatch % size === 0 && size <= microBatch / 2)
    .map((size) => ({ microBatch: size, gradAccum: gradAccum * (microBatch / size) }));
}

function lowerPrecision({ precision }: TrainingSettings, device: DeviceKind): readonly Change[] {
  const shorter = shorterPrecision[device];
  const isPossible = shorter !== undefined && precisionsOf(device).includes(shorter);
  return precision === 'float32' && isPossible ? [{ precision: shorter }] : [];
}

/** Candidates, least intrusive first. Sequences of an update stay the same as long as possible. */
function candidates(s: TrainingSettings, device: DeviceKind): readonly Change[] {
  const batches = smallerBatches(s);
  const current = resolveCheckpointing(s.activationCheckpointing, s.contextLength);
  const attention: Change[] = current === 'off' ? [{ activationCheckpointing: 'attention' }] : [];
  const full: Change[] = current === 'full' ? [] : [{ activationCheckpointing: 'full' }];
  const precision = lowerPrecision(s, device);
  const smallest: Change = { ...batches.at(-1), ...full[0], ...precision[0] };
  const shorterContexts = [2, 4, 8]
    .map((n) => Math.floor(s.contextLength / n))
    .filter((contextLength) => contextLength >= shortestContext)
    .map((contextLength) => ({ ...smallest, contextLength }));
  const all: readonly Change[] = [
    ...batches.slice(0, 1),
    ...attention,
    ...full,
    ...precision,
    ...batches.slice(1),
    ...full.flatMap((change) => batches.map((batch) => ({ ...batch, ...change }))),
    ...(precision.length > 0 ? [smallest] : []),
    ...shorterContexts,
  ];
  const texts = all.map(describeChange);
  return all.filter((_, i) => texts.indexOf(texts[i]!) === i);
}

/**
 * The first changes with which a run stays within `capacity` bytes (null: unknown) and needs clearly less than
 * now; empty if none does.
 */
export function settingsThatFit(
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
): readonly Fitting[] {
  const bytesOf = (settings: TrainingSettings): number =>
    memoryOf(programsOf(subject, settings, device), settings, device).total.likely;
  const limit = Math.min(improvement * bytesOf(s), capacity === null ? Infinity : capacityShare * capacity);
  const found: Fitting[] = [];
  for (const change of candidates(s, device)) {
    const bytes = bytesOf({ ...s, ...change });
    if (bytes <= limit) found.push({ what: describeChange(change), change, bytes });
    if (found.length === offeredChanges) break;
  }
  return found;
}

/** Names of the settings as in the command line's help. */
const changeNames = {
  microBatch: 'micro-batch',
  gradAccum: 'grad-accum',
  activationCheckpointing: 'activation-checkpointing',
  precision: 'precision',
  contextLength: 'context-length',
} as const satisfies Readonly<Record<keyof Change, string>>;

const describeChange = (change: Change): string =>
  (Object.keys(changeNames) as (keyof Change)[])
    .filter((key) => change[key] !== undefined)
    .map((key) => `${changeNames[key]} ${change[key]!}`)
    .join(', ');

/** Share of the memory above which a process that the system killed counts as out of memory. */
const suspiciousShare = 0.6;

/**
 * The error of a run that ended, with changes that would fit if it ran out of memory; any other error as it is.
 * A process that the system killed reports nothing: on the CPU it counts as out of memory if the prediction
 * comes near the capacity. The system kills for its own memory, never for a GPU's.
 */
export function addFittingChanges(
  error: ErrorData,
  subject: Subject,
  s: TrainingSettings,
  device: DeviceKind,
  capacity: number | null,
): ErrorData {
  const fits = (): readonly Fitting[] => settingsThatFit(subject, s, device, capacity);
  if (error.code === 'engine/out-of-memory') {
    const detail = error.detail as { device: string; detail: string };
    return { code: error.code, detail: { ...detail, fits: fits() } };
  }
  if (error.code !== 'engine/crashed' || device !== 'cpu' || capacity === null) return error;
  const { how } = error.detail as { how: string };
  const predicted = memoryOf(programsOf(subject, s, device), s, device).total.likely;
  if (!how.startsWith('killed by the system') || predicted < suspiciousShare * capacity) return error;
  return { code: 'engine/out-of-memory', detail: { device, detail: how, fits: fits() } };
}
