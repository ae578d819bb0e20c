/**
 * @file job.json of a work folder: what the trainer of resources/distributed needs beside settings.json. It is the
 * family tables, the growth plan and the optimizers' rules as plain numbers, so that the trainer knows no family.
 */
import { changeDType } from '../../growth/apply/change-dtype.ts';
import { findCopies } from '../../growth/asymmetry.ts';
import { multiplyScales } from '../../growth/plan/stages.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { initialValueOf } from '../../model/initial-values.ts';
import { hasWeightDecay, parametersOf, type Parameter } from '../../model/parameters.ts';
import { storedNameOf } from '../../model/tensor-names.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openGrownMoments } from '../../store/checkpoint/moments.ts';
import type { TextPart } from '../../train/batches.ts';
import type { LaunchSettings } from '../../train/launch.ts';
import { mupFactors, mupInitialValue, mupModelOf } from '../../train/mup.ts';
import { partsOf, ruleOf, rules, type Factors, type RuleId } from '../../train/optimizers/index.ts';
import type { TrainingSettings } from '../../train/settings.ts';

export const jobVersion = 1;

/** One weight: its names, how it is loaded, and how it is updated. */
export interface JobWeight {
  /** In Cambium, and in moments.safetensors. */
  readonly name: string;
  /** In transformers' causal language model. */
  readonly parameter: string;
  /** In the files of the checkpoint that the run began with. */
  readonly source: string;
  /** In the files that the trainer writes. */
  readonly key: string;
  readonly rule: RuleId;
  readonly lrScale: number;
  readonly epsScale: number;
  readonly normShare: number;
  readonly hasWeightDecay: boolean;
  /** A weight of the checkpoint is (stored + offset) · factor - offset in float32. */
  readonly factor: number;
  readonly offset: number;
  /** Std of random initial values; null: they are all `randomFill`. */
  readonly randomStd: number | null;
  readonly randomFill: number;
}

/** A weight with entries that began as copies (growth/asymmetry.ts). */
interface JobCopies {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly firstRow: readonly number[] | null;
  readonly firstColumn: readonly number[] | null;
  readonly furtherCopies: number;
}

/** job.json. Paths are relative to the work folder, or absolute. */
export interface JobFile {
  readonly version: typeof jobVersion;
  readonly weights: readonly JobWeight[];
  readonly copies: readonly JobCopies[];
  readonly tokens: { readonly folders: readonly string[]; readonly parts: readonly TextPart[] };
  /** Folder with config.json, the tokenizer, and the weights that the run began with. */
  readonly model: string;
  /** Folder of the moments that were grown with the checkpoint; null if there are none for this optimizer. */
  readonly grownMoments: string | null;
  /** Updates that those moments come from. */
  readonly momentUpdates: number;
  /** Folder of consolidated checkpoints, which the trainer reads and writes. */
  readonly checkpoints: string;
  /** Checkpoints that are kept. */
  readonly kept: number;
  /** The frozen source of distillation. */
  readonly teacher: string | null;
  readonly teacherWeights: readonly JobWeight[];
  readonly tensorParallel: number;
  readonly compile: boolean;
  readonly activationCheckpointing: 'off' | 'full';
  /** US dollars of all devices together for an hour. */
  readonly pricePerHour: number | null;
  readonly consolidate: 'save' | 'end';
}

/** Learning-rate and gradient factors of a grown checkpoint; undefined if the run does not use them. */
export function factorsOf(
  checkpoint: Checkpoint,
  settings: TrainingSettings,
): ReadonlyMap<string, Factors> | undefined {
  const mup = mupModelOf(checkpoint, settings);
  const usesGrown = settings.init === 'checkpoint' && (mup !== undefined || settings.perTensorLr === 'on');
  const grown = usesGrown ? multiplyScales(stagesFromRecord(checkpoint.growth, { before: true })) : undefined;
  return mup ? mupFactors(mup, grown) : grown;
}

/** The weights of a checkpoint, as they are trained with these settings. */
export function jobWeightsOf(checkpoint: Checkpoint, settings: TrainingSettings): readonly JobWeight[] {
  const { family, dims, nameStyle, tensors } = checkpoint;
  const change = changeDType(checkpoint, 'float32');
  const float32 = { family, dims, settings: change.settings };
  const factors = factorsOf(checkpoint, settings);
  const mup = mupModelOf(float32, settings);
  const toWeight = (parameter: Parameter): JobWeight => {
    const { name, spec } = parameter;
    const rule = ruleOf(settings.optimizer, family, parameter);
    const random = mup ? mupInitialValue(mup, parameter) : initialValueOf(parameter, float32);
    return {
      name,
      parameter: storedNameOf(family, 'causal', name),
      source: tensors.get(name)!.storedName,
      key: storedNameOf(family, nameStyle, name),
      rule,
      ...rules[rule].scale(factors?.get(name), parameter),
      hasWeightDecay: hasWeightDecay(spec),
      factor: (change.convert(parameter, Float64Array.of(1))[0]! + spec.offset) / (1 + spec.offset),
      offset: spec.offset,
      randomStd: 'std' in random ? random.std : null,
      randomFill: 'fill' in random ? random.fill : 0,
    };
  };
  const parameters = parametersOf(family, dims, change.settings);
  return [...parameters].sort((a, b) => (a.name < b.name ? -1 : 1)).map(toWeight);
}

/** The copies whose distance is measured. */
export function jobCopiesOf({ growth }: Checkpoint, { init }: TrainingSettings): readonly JobCopies[] {
  if (init === 'random') return [];
  return findCopies(stagesFromRecord(growth, { before: true })).map(
    ({ firstRow, firstColumn, ...copied }) => ({
      ...copied,
      firstRow: firstRow && [...firstRow],
      firstColumn: firstColumn && [...firstColumn],
    }),
  );
}

/** Updates behind the moments that were grown with a checkpoint; 0 if there are none for this optimizer. */
export async function grownMomentUpdates(
  checkpoint: Checkpoint,
  weights: readonly JobWeight[],
  { init }: TrainingSettings,
): Promise<number> {
  const record = checkpoint.growth?.moments;
  const file = record && init === 'checkpoint' ? await openGrownMoments(checkpoint.dir) : null;
  if (!record || !file) return 0;
  const hasAll = weights.every(({ name, rule }) =>
    partsOf({ rule }).every((part) => part === 'weights' || file.shapes.has(`${part}.${name}`)),
  );
  return hasAll ? record.updates : 0;
}

/** Bytes of weights and moments below which every save writes a consolidated checkpoint too. */
const smallState = 8e9;

/** When consolidated checkpoints are written: `auto` decides by the bytes of weights and moments. */
export const consolidationOf = ({ consolidate }: LaunchSettings, stateBytes: number): 'save' | 'end' => {
  if (consolidate !== 'auto') return consolidate;
  return stateBytes < smallState ? 'save' : 'end';
};
