/** @file The requests of the API, checked by schemas, and the types of its responses. */
import './no-eval.ts';
import { z } from 'zod';
import { deviceChoices } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import type { Certificate } from '../model/certificate.ts';
import type { ReadingCheck } from '../model/reading-check.ts';
import { launchSettings } from '../train/launch.ts';
import { schemasOf } from '../train/setting.ts';
import { settingTable, trainingSettingsSchema, type DeviceKind } from '../train/settings.ts';
import { storedStages } from '../train/stages.ts';

import type { RunSummary } from '../train/run.ts';

export type { Certificate } from '../model/certificate.ts';
export type { CheckpointSummary, TensorSummary } from '../model/summary.ts';
export type { RunEvent, RunState, RunSummary } from '../train/run.ts';

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
 * `data` are files, patterns and folders. `weights` are sampling weights, one for each; without them all data is
 * one text.
 */
export const trainingRequest = z
  .object({
    checkpoint: path,
    data: z.array(path).min(1),
    weights: z.array(z.number().positive().max(1e9)).optional(),
    field: field.optional(),
    out: path.optional(),
    name: z.string().max(200).optional(),
    settings: trainingSettingsSchema,
    /** How PyTorch trains the run; without it Cambium's own engine does. */
    launch: launchSettings.optional(),
    /** What the run grows into, and when; absent for a run of one stage. */
    stages: storedStages.optional(),
  })
  .refine(
    ({ data, weights }) => weights === undefined || weights.length === data.length,
    'give a weight for each of the data, or none',
  );

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
/** A Hugging Face folder, or an ONNX file for inference. */
export const exportFormat = z.enum(['safetensors', 'onnx']);
/** For ONNX, `run` may be the folder of a checkpoint too. */
export const exportRequest = z.object({
  run: runId,
  out: path,
  dtype: outputDType,
  weights: weightsKind.optional(),
  format: exportFormat.optional(),
});

const settings = schemasOf(settingTable);
/**
 * Settings that change how much memory a run needs. They do not change what it learns as long as an update still
 * covers the same sequences.
 */
export const memoryOverrides = z
  .object({
    microBatch: settings.microBatch,
    gradAccum: settings.gradAccum,
    contextLength: settings.contextLength,
    activationCheckpointing: settings.activationCheckpointing,
    precision: settings.precision,
  })
  .partial();

/**
 * `tokens` is the new total of the run; `rewarmSteps` are the steps of a second warm-up. `launch` changes the engine or
 * its processes; null: Cambium's own engine.
 */
export const resumeRequest = z.object({
  id: runId,
  tokens: positiveInteger.optional(),
  rewarmSteps: nonNegativeInteger.optional(),
  memoryOverrides: memoryOverrides.optional(),
  launch: launchSettings.nullable().optional(),
});
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
export type DecayRequest = z.infer<typeof decayRequest>;

export interface Device {
  readonly id: DeviceKind;
  readonly name: string;
  readonly available: boolean;
  /** A GPU that is emulated by the CPU: usable, but never chosen by `auto`. */
  readonly software?: boolean;
  /** Why it is not available, and what to do. */
  readonly why?: string;
  /** Total and free memory in bytes; null when unknown. */
  readonly memory: number | null;
  readonly free: number | null;
}

/** Bytes of text that are tokenized, or tokens that are compared, and the seconds since this part began. */
export interface CertifyProgress {
  readonly what: 'tokenizing' | 'comparing';
  readonly done: number;
  readonly of: number;
  readonly seconds: number;
}

export type CertifyEvent =
  | ({ readonly type: 'progress' } & CertifyProgress)
  | { readonly type: 'done'; readonly certificate: Certificate };

/** `notes` say what was changed or lost when the files were written: sentences without a full stop. */
export type GrowEvent =
  | {
      readonly type: 'tensor';
      readonly name: string;
      readonly tensors: number;
      readonly ofTensors: number;
      readonly bytes: number;
      readonly ofBytes: number;
      readonly seconds: number;
    }
  /** The moments of the optimizer are grown too, when the source is a run. */
  | { readonly type: 'moments'; readonly done: number; readonly of: number }
  /** Source and grown model read a text. Absent numbers: it has just begun. */
  | ({ readonly type: 'certifying' } & Partial<CertifyProgress>)
  | {
      readonly type: 'done';
      readonly dir: string;
      readonly seconds: number;
      readonly bytes: number;
      readonly certificate: Certificate | null;
      readonly device: DeviceKind;
      readonly notes?: readonly string[];
    };

/** Whether the loss of a checkpoint on a text is that of a trained model. */
export interface CheckResult extends ReadingCheck {
  readonly device: DeviceKind;
}

/** The files of `logitsRequest`: for each model its folder, or that of its copy, and the file of its logits. */
export interface WrittenLogits {
  readonly text: string;
  readonly tokens: number;
  readonly files: readonly { readonly model: string; readonly logits: string }[];
}

/** Records that gave no document: without the field, and with null or an empty text. */
export interface LeftOutRecords {
  readonly missing: number;
  readonly empty: number;
}

export interface Evaluation {
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly contextLength: number;
  /** Documents of all the data, of which the first `tokens` were read. */
  readonly documents: number;
  readonly leftOut: LeftOutRecords;
  readonly device: DeviceKind;
}

export type EvaluateEvent =
  | { readonly type: 'tokens'; readonly done: number; readonly of: number }
  | { readonly type: 'done'; readonly evaluation: Evaluation };

/**
 * Accuracy on multiple-choice questions by the likelihood of an answer, and by its likelihood per byte (acc and
 * acc_norm of lm-evaluation-harness), each with its standard error.
 */
export interface ChoicesResult {
  readonly questions: number;
  readonly accuracy: number;
  readonly error: number;
  readonly perByte: number;
  readonly perByteError: number;
  readonly device: DeviceKind;
}

export type ChoicesEvent =
  | { readonly type: 'choices'; readonly done: number; readonly of: number }
  | { readonly type: 'done'; readonly answers: ChoicesResult };

/** A token of the vocabulary as text, with its probability by the softmax of the model, at temperature 1. */
export interface SampledToken {
  readonly text: string;
  readonly probability: number;
}

export type SampleEvent =
  | { readonly type: 'text'; readonly text: string }
  /** Only if the request asks for probabilities: the token that was chosen, and the most likely ones. */
  | ({ readonly type: 'token'; readonly top: readonly SampledToken[] } & SampledToken)
  | { readonly type: 'done'; readonly tokens: number; readonly seconds: number; readonly device: DeviceKind };

/** `notes` as in a `GrowEvent`. */
export type ExportEvent =
  | { readonly type: 'tensor'; readonly name: string; readonly tensors: number; readonly ofTensors: number }
  | { readonly type: 'comparing' }
  | {
      readonly type: 'done';
      readonly dir: string;
      readonly files: readonly string[];
      readonly bytes: number;
      readonly maxLogit: number;
      readonly device: DeviceKind;
      readonly notes?: readonly string[];
    };

/** Work that runs in the service and continues when the window closes. */
export interface JobSummary {
  readonly id: string;
  readonly kind: 'grow' | 'export' | 'certify' | 'download' | 'push';
  readonly title: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly started: string;
  readonly error?: ErrorData;
}

/** A run in the trash. */
export interface TrashedRun extends Pick<RunSummary, 'name' | 'checkpoint' | 'step' | 'steps' | 'loss'> {
  /** Its folder in the trash. */
  readonly trashed: string;
  /** Where it was. */
  readonly original: string;
  /** When it was moved there, ISO 8601. */
  readonly moved: string;
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

/** One check of the doctor. Nothing is wrong when an `optional` one fails. */
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
