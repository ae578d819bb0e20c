/** @file Every shape that crosses a boundary: checked ones as schemas, answered ones as types. */
import { z } from 'zod';
import type { ErrorData } from '../base/errors.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import type { Certificate } from '../model/card.ts';
import type { DeviceKind, TrainingSettings } from '../train/settings.ts';

export type { Certificate, CheckpointCard, TensorCard } from '../model/card.ts';
export type { RunCard, RunEvent, RunState } from '../train/run.ts';

// before the first schema: a page's content policy forbids the probe for eval, and reports it
z.config({ jitless: true });

export const nothing = z.object({});
export const path = z.string().min(1).max(4096);
export const runId = z.string().min(1).max(4096);
export const jobId = z.string().min(1).max(64);
export const deviceChoice = z.enum(['auto', 'cpu', 'webgpu', 'cuda']);
export const whole = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const field = z.string().min(1).max(200);
export const growthRequest = z.object({
  method: z.string(),
  to: z.record(z.string(), z.number().int().positive()),
  options: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
  seed: whole,
  dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
});
/**
 * A stage of a recipe file: what it leaves out is as without a flag; `times` are multiples of what the stage
 * before makes.
 */
export const recipeStage = z.strictObject({
  ...growthRequest.partial().shape,
  method: z.string(),
  times: z.record(z.string(), z.number().positive()).optional(),
});
/** One growth, or several in sequence as one pass. */
export const growthRecipe = z.union([growthRequest, z.array(growthRequest).min(1).max(64)]);

export const trainingSettings: z.ZodType<TrainingSettings> = z.object({
  tokens: whole.min(1),
  batch: whole.min(1),
  sequence: whole.min(2),
  documents: z.enum(['joined', 'apart']),
  accumulate: whole.min(1),
  lr: z.number().positive().max(10),
  schedule: z.enum(['constant', 'linear', 'cosine', 'wsd']),
  warmup: whole,
  rewarm: whole,
  optimizer: z.enum(['adamw', 'muon', 'sgd']),
  precision: z.enum(['float32', 'bfloat16', 'float16']),
  tf32: z.enum(['on', 'off']),
  recompute: z.enum(['auto', 'off', 'attention', 'full']),
  decay: z.number().min(0).max(10),
  clip: z.number().min(0),
  beta1: z.number().min(0).lt(1),
  beta2: z.number().min(0).lt(1),
  eps: z.number().min(0),
  momentum: z.number().min(0).lt(1),
  cooldown: z.number().min(0).max(1),
  floor: z.number().min(0).max(1),
  ema: z.number().min(0).lt(1),
  average: whole.max(100),
  distill: z.number().min(0).max(1),
  temperature: z.number().positive().max(100),
  skip: z.number().min(0),
  rollback: whole.min(1),
  patience: whole,
  rates: z.enum(['plan', 'plain']),
  start: z.enum(['source', 'random']),
  seed: whole,
  budgetMoney: z.number().min(0),
  budgetHours: z.number().min(0),
  budgetTokens: whole,
  device: deviceChoice,
  saveEvery: whole,
  evaluateEvery: whole,
  heldOut: z.number().min(0).max(0.5),
  sampleEvery: whole,
  prompt: z.string().max(100_000),
  threads: whole.max(1024),
});

/**
 * `source`: a checkpoint's folder, or a run's (its newest saved step). Either what is asked for, or a plan
 * that was saved.
 */
export const growJob = z
  .object({
    source: path,
    out: path,
    request: growthRecipe.optional(),
    plan: z.custom<SavedPlan>((v) => typeof v === 'object' && v !== null).optional(),
    device: deviceChoice,
  })
  .refine(
    (job) => (job.request === undefined) !== (job.plan === undefined),
    'give either a request or a plan',
  );
/**
 * `data`: files, patterns, folders. `weights`: how often each is drawn from, one for each; absent, all is one
 * text. `field`: the JSON field or column that holds it.
 */
export const trainingRequest = z
  .object({
    checkpoint: path,
    data: z.array(path).min(1),
    weights: z.array(z.number().positive().max(1e9)).optional(),
    field: field.optional(),
    out: path.optional(),
    name: z.string().max(200).optional(),
    settings: trainingSettings,
  })
  .refine(
    ({ data, weights }) => weights === undefined || weights.length === data.length,
    'give a weight for each of the data, or none',
  );
export const sampleRequest = z.object({
  from: path,
  prompt: z.string().max(100_000),
  tokens: whole.max(100_000),
  temperature: z.number().min(0).max(100),
  seed: whole,
  device: deviceChoice,
});
export const evaluateRequest = z.object({
  checkpoint: path,
  data: z.array(path).min(1),
  field: field.optional(),
  sequence: whole.min(2),
  batch: whole.min(1),
  tokens: whole.optional(),
  device: deviceChoice,
});
/** `questions`: a .jsonl file of multiple-choice questions (store/questions.ts); `limit`: at most so many. */
export const choicesRequest = z.object({
  checkpoint: path,
  questions: path,
  limit: whole.min(1).optional(),
  batch: whole.min(1),
  device: deviceChoice,
});
export const certifyRequest = z.object({
  source: path,
  grown: path,
  text: path.optional(),
  device: deviceChoice,
});
/** A folder dropped into a browser: its name, the text of its config.json, and its files with their sizes. */
export const locateRequest = z.object({
  name: z.string().min(1).max(1024),
  config: z.string().max(10_000_000),
  sizes: z.array(z.object({ name: z.string().max(1024), bytes: whole })).max(10_000),
});
export const weightsKind = z.enum(['raw', 'ema', 'average']);
/**
 * A Hugging Face folder, or an ONNX file for inference; of the latter `run` may be a checkpoint's folder too.
 */
export const exportFormat = z.enum(['safetensors', 'onnx']);
export const exportRequest = z.object({
  run: runId,
  out: path,
  dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
  weights: weightsKind.optional(),
  format: exportFormat.optional(),
});
/** `tokens`: of the whole run, more than it has done. `rewarm`: steps of a second warm-up. */
/**
 * Settings that say how much memory a run needs, and not what it learns as long as an update stays over the
 * same sequences.
 */
export const sparing = z
  .object({
    batch: whole.min(1),
    accumulate: whole.min(1),
    sequence: whole.min(2),
    recompute: z.enum(['auto', 'off', 'attention', 'full']),
    precision: z.enum(['float32', 'bfloat16', 'float16']),
  })
  .partial();
export const resumeRequest = z.object({
  id: runId,
  tokens: whole.min(1).optional(),
  rewarm: whole.optional(),
  spare: sparing.optional(),
});
export const decayRequest = z.object({ id: runId, steps: whole.min(1).optional() });
export type ResumeRequest = z.infer<typeof resumeRequest>;
export type DecayRequest = z.infer<typeof decayRequest>;

export type GrowJob = z.infer<typeof growJob>;
export type TrainingRequest = z.infer<typeof trainingRequest>;
export type ExportRequest = z.infer<typeof exportRequest>;

export interface Device {
  readonly id: DeviceKind;
  readonly name: string;
  readonly available: boolean;
  /** A GPU that the processor only plays: usable, but never chosen by `auto`. */
  readonly software?: boolean;
  /** Why it is not available, and what to do. */
  readonly why?: string;
  /** Bytes of memory, and of it free; null when unknown. */
  readonly memory: number | null;
  readonly free: number | null;
}

export type GrowEvent =
  | {
      readonly at: 'tensor';
      readonly name: string;
      readonly tensors: number;
      readonly ofTensors: number;
      readonly bytes: number;
      readonly ofBytes: number;
      readonly seconds: number;
    }
  /** The optimizer's moments of a run, which go along. */
  | { readonly at: 'moments'; readonly done: number; readonly of: number }
  | { readonly at: 'certifying' }
  | {
      readonly at: 'done';
      readonly dir: string;
      readonly seconds: number;
      readonly bytes: number;
      readonly certificate: Certificate | null;
      readonly device: DeviceKind;
    };

export interface Evaluation {
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly device: DeviceKind;
}
export type EvaluateEvent =
  | { readonly at: 'tokens'; readonly done: number; readonly of: number }
  | { readonly at: 'done'; readonly evaluation: Evaluation };
/**
 * Shares of questions answered right by likelihood, and by likelihood per byte of the answer, each with its
 * standard error.
 */
export interface Answers {
  readonly questions: number;
  readonly accuracy: number;
  readonly error: number;
  readonly perByte: number;
  readonly perByteError: number;
  readonly device: DeviceKind;
}
export type ChoicesEvent =
  | { readonly at: 'choices'; readonly done: number; readonly of: number }
  | { readonly at: 'done'; readonly answers: Answers };
export type SampleEvent =
  | { readonly at: 'text'; readonly text: string }
  | { readonly at: 'done'; readonly tokens: number; readonly seconds: number; readonly device: DeviceKind };
export type ExportEvent =
  | { readonly at: 'tensor'; readonly name: string; readonly tensors: number; readonly ofTensors: number }
  | { readonly at: 'comparing' }
  | {
      readonly at: 'done';
      readonly dir: string;
      readonly files: readonly string[];
      readonly bytes: number;
      readonly maxLogit: number;
      readonly device: DeviceKind;
    };

/** A long piece of work that belongs to the service, not to a window. */
export interface JobCard {
  readonly id: string;
  readonly kind: 'grow' | 'export' | 'certify' | 'download' | 'push';
  readonly title: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly started: string;
  readonly error?: ErrorData;
}

export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  readonly folder: boolean;
  readonly bytes: number;
  readonly checkpoint: boolean;
}
export interface Folder {
  readonly path: string;
  readonly parent: string | null;
  readonly entries: readonly FolderEntry[];
}

/** One finding of the doctor; `optional`: nothing is wrong without it. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
  readonly remedy?: string;
  readonly optional?: boolean;
}
export interface About {
  readonly version: string;
  readonly home: string;
  readonly demo: string;
  readonly platform: string;
  readonly node: string;
  readonly desktop: boolean;
}
