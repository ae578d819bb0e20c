/** @file step.json of a checkpoint: everything that a resume needs and that is no tensor. */
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { toText } from '../../base/json.ts';
import { stepFile } from '../checkpoint/moments.ts';
import { readJsonObject } from '../fs/files.ts';
import type { LossScale } from '../../train/precision.ts';
import { storedEarlyStopping, type EarlyStopping } from '../../train/early-stopping.ts';
import { stageEndReasons, stageStart, type StageEndReason, type StageStart } from '../../train/stages.ts';
import { emptyHistory, type SpikeHistory } from '../../train/spikes.ts';

/** The data order and all randomness are functions of the seed and the cursor. */
export interface StepRecord {
  readonly version: 2;
  readonly step: number;
  /** Since the start of the run. */
  readonly tokens: number;
  /** Seconds of training steps, all sessions together. */
  readonly seconds: number;
  /** Seconds on the device, all sessions together. */
  readonly deviceSeconds: number;
  /** Energy of all sessions together; null if nothing measures it. */
  readonly joules: number | null;
  /** Training tokens of the text. A resume on other text is refused. */
  readonly trainTokens: number;
  /** SHA-256 of the files of the text, as `Tokens` has it; absent in records of earlier versions. */
  readonly textHash?: string;
  /** Updates' worth of batches read. Larger than `step` after a rollback. */
  readonly cursor: number;
  /** Steps that changed the weights. */
  readonly updates: number;
  readonly history: SpikeHistory;
  /** With float16. */
  readonly lossScale?: LossScale<number>;
  /** The starts of the stages so far, in a run with stages. */
  readonly stages?: readonly StageStart[];
  /** Updates before frozen weights were trained too; absent while they are frozen. */
  readonly unfrozenAt?: number;
  /** Held-out loss of the weights, if it was measured at this step. */
  readonly heldOutLoss?: number;
  /** What the evaluations so far say about early stopping; absent before the first. */
  readonly earlyStopping?: EarlyStopping;
  /** The stage ended here, and the next has not begun. */
  readonly stageEnd?: StageEnded;
}

/** Why a stage ended, and the held-out loss at its end; null without held-out text. */
export interface StageEnded {
  readonly reason: StageEndReason;
  readonly heldOutLoss: number | null;
}

const count = z.number().int().min(0);
const schema = z.object({
  step: count,
  tokens: count,
  seconds: z.number(),
  deviceSeconds: z.number().optional(),
  joules: z.number().nullable().default(null),
  trainTokens: count,
  textHash: z.string().optional(),
  cursor: count.optional(),
  updates: count.optional(),
  history: z
    .object({ losses: z.array(z.number()), gradNorms: z.array(z.number()), nonFinite: count })
    .optional(),
  lossScale: z.object({ factor: z.number(), finiteUpdates: z.number() }).optional(),
  stages: z.array(stageStart).min(1).optional(),
  unfrozenAt: count.optional(),
  heldOutLoss: z.number().optional(),
  earlyStopping: storedEarlyStopping.optional(),
  stageEnd: z.object({ reason: z.enum(stageEndReasons), heldOutLoss: z.number().nullable() }).optional(),
});

/** Version 1 had other names for the spike history and the loss scale. */
const version1 = z.looseObject({
  watch: z
    .object({ losses: z.array(z.number()), norms: z.array(z.number()), bad: count })
    .transform(({ losses, norms, bad }) => ({ losses, gradNorms: norms, nonFinite: bad }))
    .optional(),
  scaling: z
    .object({ factor: z.number(), good: z.number() })
    .transform(({ factor, good }) => ({ factor, finiteUpdates: good }))
    .optional(),
});

function translate(value: Readonly<Record<string, unknown>>): unknown {
  const { watch, scaling, ...rest } = version1.parse(value);
  return { ...rest, history: watch, lossScale: scaling };
}

/**
 * Reads step.json. Fields that later versions added have the value that they would have had. Throws
 * `run/damaged-checkpoint`.
 */
export async function readStepRecord({
  step,
  dir,
}: {
  readonly step: number;
  readonly dir: string;
}): Promise<StepRecord> {
  const damaged = (why: string): never => refuse('run/damaged-checkpoint', { path: dir, why });
  const value = await readJsonObject(join(dir, stepFile));
  const { version } = value;
  if (version !== 1 && version !== 2) return damaged(`step.json has version ${toText(version)}`);
  const parsed = schema.safeParse(version === 1 ? translateOrKeep(value) : value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    return damaged(`step.json, ${path.join('.')}: ${message}`);
  }
  const found = parsed.data;
  if (found.step !== step) return damaged(`step.json is of step ${found.step}`);
  const {
    deviceSeconds,
    cursor,
    updates,
    history,
    lossScale,
    stages,
    stageEnd,
    textHash,
    unfrozenAt,
    heldOutLoss,
    earlyStopping,
    ...rest
  } = found;
  return {
    ...rest,
    version: 2,
    deviceSeconds: deviceSeconds ?? found.seconds,
    cursor: cursor ?? step,
    updates: updates ?? step,
    history: history ?? emptyHistory,
    ...(textHash === undefined ? {} : { textHash }),
    ...(lossScale ? { lossScale } : {}),
    ...(stages ? { stages } : {}),
    ...(stageEnd ? { stageEnd } : {}),
    ...(heldOutLoss === undefined ? {} : { heldOutLoss }),
    ...(earlyStopping ? { earlyStopping } : {}),
    ...(unfrozenAt === undefined ? {} : { unfrozenAt }),
  };
}

/** A record that cannot be translated stays as it is, so that the schema names what is wrong with it. */
function translateOrKeep(value: Readonly<Record<string, unknown>>): unknown {
  try {
    return translate(value);
  } catch {
    return { ...value, history: value['watch'], lossScale: value['scaling'] };
  }
}
