/** @file The requests of the API, checked by schemas. responses.ts has what they return. */
import './no-eval.ts';
import { z } from 'zod';
import { deviceChoices } from '../base/device.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import { ggufTypeNames } from '../model/gguf/values.ts';
import { launchSettings } from '../train/launch.ts';
import { queuePlace } from './queue.ts';
import { resumeChanges } from '../train/resume.ts';
import { trainingSettingsSchema } from '../train/settings.ts';
import { storedStages } from '../train/stages.ts';

export type {
  Device,
  CertifyProgress,
  CertifyEvent,
  GrowEvent,
  CheckResult,
  WrittenLogits,
  Evaluation,
  EvaluateEvent,
  ChoicesResult,
  ChoicesEvent,
  SampledToken,
  SampleEvent,
  ExportEvent,
  JobSummary,
  TrashedRun,
  FolderEntry,
  Folder,
  Check,
  About,
} from './responses.ts';
export { memoryOverrides } from '../train/resume.ts';
export type { Certificate } from '../model/certificate.ts';
export type { CheckpointSummary, TensorSummary } from '../model/summary.ts';
export type { QueuePosition, RunCheckpoint, RunEvent, RunState, RunSummary } from '../train/run.ts';

export const nothing = z.object({});
export const path = z.string().min(1).max(4096);
/** The folder of a run, or its name. */
export const runId = z.string().min(1).max(4096);
export const jobId = z.string().min(1).max(64);
export const deviceChoice = z.enum(deviceChoices);
export const nonNegativeInteger = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const positiveInteger = nonNegativeInteger.min(1);
const outputDType = z.enum(['keep', 'float32', 'float16', 'bfloat16']);
/** The JSON field or column that contains the text. */
export const field = z.string().min(1).max(200);
/** An object whose content is checked later, where the checkpoint is known. */
export const savedPlan = z.custom<SavedPlan>((value) => typeof value === 'object' && value !== null);

export const growthRequest = z.object({
  method: z.string(),
  to: z.record(z.string(), z.number().int().positive()),
  options: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
  seed: nonNegativeInteger,
  dtype: outputDType,
});

/**
 * A stage of a recipe file. Fields that are missing have the default of their flag; `times` are multiples of the
 * sizes after the stage before.
 */
export const recipeStage = z.strictObject({
  ...growthRequest.partial().shape,
  method: z.string(),
  times: z.record(z.string(), z.number().positive()).optional(),
});

/** One growth, or several stages that are applied in one pass. */
export const growthRecipe = z.union([growthRequest, z.array(growthRequest).min(1).max(64)]);

/** The growth form of one source, which the page keeps until its tab closes. */
export const growthDraft = z.object({
  requests: z.array(growthRequest).min(1).max(64),
  selected: nonNegativeInteger,
  /** Absent while the page proposes the folder. */
  out: z.string().optional(),
  device: deviceChoice,
});
export type GrowthDraft = z.infer<typeof growthDraft>;

/**
 * A text to compare two models on: files, patterns and folders, the most tokens to read (default 1 M), and how many
 * the models read at once (default: the source's context length, at most 1024).
 */
export const certificateText = z.object({
  data: z.array(path).min(1),
  field: field.optional(),
  tokens: positiveInteger.optional(),
  contextLength: nonNegativeInteger.min(2).optional(),
});

/** `source` is the folder of a checkpoint or of a run (its newest saved step). */
export const growJob = z
  .object({
    source: path,
    out: path,
    request: growthRecipe.optional(),
    plan: savedPlan.optional(),
    device: deviceChoice,
    /** The text of the certificate; default: a built-in text. */
    certificateText: certificateText.optional(),
  })
  .refine(
    (job) => (job.request === undefined) !== (job.plan === undefined),
    'give either a request or a plan',
  );

/**
 * The text to train on: `data` are files, patterns and folders, `weights` sampling weights, one for each; without them
 * all data is one text. `validation` are texts to evaluate on. `field` is that of JSON lines and tables.
 */
export const textSource = {
  data: z.array(path).min(1),
  weights: z.array(z.number().positive().max(1e9)).optional(),
  validation: z.array(path).min(1).optional(),
  field: field.optional(),
};
interface Weighted {
  readonly data: readonly string[];
  readonly weights?: readonly number[] | undefined;
}
/** The arguments of `refine` for a request with a `textSource`. */
export const hasWeightForEach = [
  ({ data, weights }: Weighted): boolean => weights === undefined || weights.length === data.length,
  'give a weight for each of the data, or none',
] as const;

export const trainingRequest = z
  .object({
    checkpoint: path,
    ...textSource,
    out: path.optional(),
    name: z.string().max(200).optional(),
    settings: trainingSettingsSchema,
    /** How PyTorch trains the run; without it Cambium's own engine does. */
    launch: launchSettings.optional(),
    /** What the run grows into, and when; absent for a run of one stage. */
    stages: storedStages.optional(),
    /** Where the run waits if another trains on its device; absent: it starts at once. */
    queue: queuePlace.optional(),
  })
  .refine(...hasWeightForEach);

/**
 * `from` is the folder of a checkpoint or of a run. With `chat`, the prompt is the message of a user, written by the
 * chat template of the tokenizer. `probabilities` is how many of the most likely tokens to report at each position.
 */
export const sampleRequest = z.object({
  from: path,
  prompt: z.string().max(100_000),
  tokens: nonNegativeInteger.max(100_000),
  temperature: z.number().min(0).max(100),
  topK: nonNegativeInteger.optional(),
  topP: z.number().gt(0).max(1).optional(),
  minP: z.number().min(0).max(1).optional(),
  repetitionPenalty: z.number().min(0.1).max(10).optional(),
  chat: z.boolean().optional(),
  probabilities: nonNegativeInteger.max(20).optional(),
  seed: nonNegativeInteger,
  device: deviceChoice,
});
export type SampleRequest = z.infer<typeof sampleRequest>;

/**
 * `tokens` is the most that is read; without it all of the text is. `contextLength` is how many tokens the model
 * reads at once (default: the model's positions, at most 256).
 */
export const evaluateRequest = z.object({
  checkpoint: path,
  data: z.array(path).min(1),
  field: field.optional(),
  contextLength: nonNegativeInteger.min(2).optional(),
  batchSize: positiveInteger,
  tokens: nonNegativeInteger.optional(),
  device: deviceChoice,
});

/** `questions` is a .jsonl file (store/data/questions.ts); `limit` is the most that are answered. */
export const choicesRequest = z.object({
  checkpoint: path,
  questions: path,
  limit: positiveInteger.optional(),
  batchSize: positiveInteger,
  device: deviceChoice,
});

/**
 * Without `text`, the models read a built-in text. With `save`, the certificate replaces the one in growth.json of
 * the grown checkpoint.
 */
export const certifyRequest = z.object({
  source: path,
  grown: path,
  text: certificateText.optional(),
  save: z.boolean().optional(),
  device: deviceChoice,
});

export const reportFormat = z.enum(['json', 'html']);
/** The stored certificate of the grown checkpoint in `dir`, as a file to download. */
export const certificateReportRequest = z.object({ dir: path, format: reportFormat });

export interface CertificateReport {
  /** A name for the file. */
  readonly name: string;
  readonly text: string;
}

/** Without `text`, a file, the model reads a built-in English text. */
export const checkRequest = z.object({ dir: path, text: path.optional(), device: deviceChoice });

/**
 * Writes the logits of the `models` into the new folder `out`. Without `text`, the models read a built-in English
 * text. With `rewrite`, the models are written again there too.
 */
export const logitsRequest = z.object({
  models: z.array(path).min(1).max(2),
  text: certificateText.optional(),
  rewrite: z.boolean().optional(),
  out: path,
  device: deviceChoice,
});

/** A folder that was dropped into a browser: its name, the text of its config.json, and its files. */
export const locateRequest = z.object({
  name: z.string().min(1).max(1024),
  config: z.string().max(10_000_000),
  sizes: z.array(z.object({ name: z.string().max(1024), bytes: nonNegativeInteger })).max(10_000),
});

export const weightsKind = z.enum(['raw', 'ema', 'average']);
/** A Hugging Face folder, an ONNX file for inference, or a GGUF file for llama.cpp. */
export const exportFormat = z.enum(['safetensors', 'onnx', 'gguf']);
/** The type of the weights of a GGUF file. */
export const ggufType = z.enum(ggufTypeNames);
/** For ONNX and GGUF, `run` may be the folder of a checkpoint too. `ggufType` counts for GGUF only. */
export const exportRequest = z.object({
  run: runId,
  out: path,
  dtype: outputDType,
  weights: weightsKind.optional(),
  format: exportFormat.optional(),
  ggufType: ggufType.optional(),
  /** The saved step; absent: the newest. */
  step: nonNegativeInteger.optional(),
});
/** A saved step of a run. */
export const checkpointRequest = z.object({ id: runId, step: nonNegativeInteger });

/** `train/resume.ts` says what the changes are. */
export const resumeRequest = resumeChanges.extend({ id: runId, queue: queuePlace.optional() });
/** With `now`, an engine that does not answer is ended: the steps since the last save are lost. */
export const stopRequest = z.object({ id: runId, now: z.boolean().optional() });
/** `steps` is the length of the decay; without it the settings of the run decide. */
export const decayRequest = z.object({ id: runId, steps: positiveInteger.optional() });

export type CheckRequest = z.infer<typeof checkRequest>;
export type LogitsRequest = z.infer<typeof logitsRequest>;
export type GrowJob = z.infer<typeof growJob>;
export type CertificateText = z.infer<typeof certificateText>;
export type CertifyRequest = z.infer<typeof certifyRequest>;
export type CertificateReportRequest = z.infer<typeof certificateReportRequest>;
export type TrainingRequest = z.infer<typeof trainingRequest>;
export type ExportRequest = z.infer<typeof exportRequest>;
export type ResumeRequest = z.infer<typeof resumeRequest>;
export type StopRequest = z.infer<typeof stopRequest>;
export type DecayRequest = z.infer<typeof decayRequest>;
