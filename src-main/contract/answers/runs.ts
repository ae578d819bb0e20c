/** @file The schemas of answers about runs and jobs: summaries, events, histories. */
import '../no-eval.ts';
import { z } from 'zod';
import { slopeVerdicts } from '../../cost/slope-comparison.ts';
import { verdicts } from '../../model/certificate.ts';
import { promiseKinds } from '../../model/promise.ts';
import type { RunCheckpoint, RunEvent, RunHistory, RunSummary } from '../../train/run.ts';
import { storedSettingsSchema } from '../../train/settings.ts';
import { stageEndReasons, stageStart, storedStages } from '../../train/stages.ts';
import type { ComparedSlopes } from '../compared-slopes.ts';
import { queuedKinds, type DeviceQueue } from '../queue.ts';
import type { JobSummary, TrashedRun } from '../responses.ts';
import { count, deviceKind, errorData, number, precision, text, texts } from './shared-schemas.ts';
import { exactly } from './exact.ts';

export const runState = z.enum([
  'waiting',
  'preparing',
  'running',
  'pausing',
  'paused',
  'finished',
  'failed',
  'interrupted',
]);

export const runSummary = exactly<RunSummary>()(
  z.object({
    id: text,
    dir: text,
    name: text,
    checkpoint: text,
    data: texts,
    settings: storedSettingsSchema,
    state: runState,
    step: count,
    steps: number,
    tokens: number,
    loss: number.nullable(),
    heldOutLoss: number.nullable(),
    seconds: number,
    cost: number.nullable(),
    created: text,
    tags: texts.exactOptional(),
    notes: text.exactOptional(),
    error: errorData.exactOptional(),
    damage: errorData.exactOptional(),
    queue: z.object({ device: deviceKind, position: number, of: number }).exactOptional(),
    earlyStopped: z.object({ best: number, bestStep: number, evaluations: number }).exactOptional(),
    savedStep: number.nullable(),
    stages: storedStages.exactOptional(),
    stageStarts: z.array(stageStart).exactOptional(),
  }),
);

export const runCheckpoints = exactly<readonly RunCheckpoint[]>()(
  z.array(
    z.object({
      step: count,
      model: text,
      tokens: number.nullable(),
      loss: number.nullable(),
      heldOutLoss: number.nullable(),
      bytes: number,
      saved: text,
      kept: z.array(z.enum(['newest', 'every', 'best'])),
      isNeeded: z.boolean(),
    }),
  ),
);

export const deviceQueues = exactly<readonly DeviceQueue[]>()(
  z.array(
    z.object({
      device: deviceKind,
      isHeld: z.boolean(),
      waiting: z.array(
        z.object({
          kind: z.enum(queuedKinds),
          dir: text,
          name: text,
          added: text,
          error: errorData.exactOptional(),
        }),
      ),
    }),
  ),
);

export const trashedRun = exactly<TrashedRun>()(
  z.object({
    trashed: text,
    original: text,
    moved: text,
    name: text,
    checkpoint: text,
    step: number,
    steps: number,
    loss: number.nullable(),
  }),
);

export const jobSummary = exactly<JobSummary>()(
  z.object({
    id: text,
    kind: z.enum(['grow', 'export', 'certify', 'download', 'push', 'tune', 'bakeoff']),
    title: text,
    state: z.enum(['running', 'done', 'failed', 'cancelled']),
    started: text,
    error: errorData.exactOptional(),
  }),
);

const tokenSlope = z.object({ fall: number, low: number, high: number, tokens: number });

export const comparedSlopes = exactly<ComparedSlopes>()(
  z.object({
    run: text,
    otherRun: text,
    stage: count,
    parameters: number,
    otherInit: z.enum(['checkpoint', 'random']),
    loss: number,
    grown: tokenSlope,
    other: tokenSlope,
    verdict: z.enum(slopeVerdicts),
  }),
);

const maybe = number.nullable();
const certificateSummary = z.object({
  promise: z.enum(promiseKinds),
  verdict: z.enum(verdicts),
  maxLogit: number,
  tolerance: number,
  kl: number,
});

/**
 * The fields of each event. Older versions did not write all of them: only those are required without which
 * events.jsonl skips the line (store/run/event-lines.ts).
 */
const eventFields = {
  preparing: { what: text, done: number, of: number },
  started: {
    step: count,
    device: deviceKind,
    deviceName: text,
    memory: maybe.optional(),
    parameters: number.optional(),
    steps: number,
    trainTokens: number.optional(),
    heldOutTokens: number.optional(),
    activationCheckpointing: z.enum(['off', 'attention', 'full']).optional(),
    kernels: z
      .object({ used: z.array(text), refused: z.array(z.object({ group: text, why: text })) })
      .optional(),
    momentUpdates: number.optional(),
    flopsPerToken: number.optional(),
    stage: number.optional(),
    time: text,
  },
  step: {
    step: count,
    loss: number,
    lr: number,
    gradNorm: number,
    updateRatio: number.optional(),
    kl: number.optional(),
    tokens: number,
    seconds: number,
    elapsed: number.optional(),
  },
  skipped: { step: count, what: text, value: maybe.optional(), limit: maybe.optional() },
  'rolled-back': { step: count, from: number, time: text.optional() },
  rescheduled: { step: count, steps: number, time: text.optional() },
  grown: {
    step: count,
    stage: number,
    reason: z.enum(stageEndReasons),
    method: text.optional(),
    parametersBefore: number,
    parameters: number,
    lossBefore: maybe.optional(),
    lossAfter: maybe.optional(),
    certificate: certificateSummary.optional(),
    tokens: number,
    flops: number.optional(),
    flopsPerToken: number.optional(),
    steps: number,
    seconds: number.optional(),
    source: text,
    time: text.optional(),
  },
  slope: { step: count, fall: number, low: number, high: number },
  evaluated: {
    step: count,
    loss: number,
    tokens: number.optional(),
    parts: z.array(z.object({ name: text, loss: number, tokens: number })).optional(),
    precision: precision.optional(),
  },
  averaged: { step: count, weights: z.enum(['ema', 'average']), loss: number, tokens: number.optional() },
  asymmetry: { step: count, value: number },
  sample: { step: count, prompt: text, text },
  saved: { step: count, dir: text },
  usage: {
    step: count,
    seconds: number,
    memory: maybe.optional(),
    watts: maybe.optional(),
    utilisation: maybe.optional(),
    temperature: maybe.optional(),
    energy: maybe.optional(),
    powerSource: z.enum(['nvidia-smi', 'rapl', 'assumed']).nullable().optional(),
    cost: maybe.optional(),
  },
  measured: { step: count, stepSeconds: number, estimated: maybe.optional(), secondsLeft: number },
  budget: { step: count, what: z.enum(['cost', 'hours', 'tokens']), limit: number, spent: number },
  'early-stopped': { step: count, best: number, bestStep: number, evaluations: number },
  stopped: {
    step: count,
    reason: z.enum(['finished', 'requested', 'failed']),
    error: errorData.optional(),
    leftOut: z.record(text, number).optional(),
    time: text.optional(),
  },
} as const satisfies Readonly<Record<RunEvent['type'], z.ZodRawShape>>;

const eventSchemas = Object.fromEntries(
  Object.entries(eventFields).map(([type, fields]) => [type, z.object({ type: z.literal(type), ...fields })]),
) as Readonly<Record<string, z.ZodType>>;
/** An event of a type that a later version added, which readers pass over. */
const laterEvent = z.looseObject({ type: text, step: count });

/** An event, checked by the schema of its type. */
export const runEvent = z.unknown().transform((value, context) => {
  const type = (value as { readonly type?: unknown } | null)?.type;
  const schema =
    typeof type === 'string' && Object.hasOwn(eventSchemas, type) ? eventSchemas[type]! : laterEvent;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data as RunEvent;
  context.issues.push(...parsed.error.issues.map((issue) => ({ ...issue, input: value }) as never));
  return z.NEVER;
}) as unknown as z.ZodType<RunEvent>;

export const runHistory = exactly<RunHistory>()(
  z.object({ events: z.array(runEvent), lines: count, offset: count, isComplete: z.boolean() }),
);
