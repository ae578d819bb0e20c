/** @file The responses and events of the API. */
import type { ErrorData } from '../base/errors.ts';
import type { LeftOut } from '../base/left-out.ts';
import type { Certificate } from '../model/certificate.ts';
import type { ReadingCheck } from '../model/reading-check.ts';
import type { RunSummary } from '../train/run.ts';
import type { DeviceKind } from '../train/settings.ts';

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
  /** How many GPUs of this kind the computer has; absent for one. */
  readonly count?: number;
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

export interface Evaluation {
  readonly loss: number;
  readonly perplexity: number;
  readonly bitsPerByte: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly contextLength: number;
  /** Documents of all the data, of which the first `tokens` were read. */
  readonly documents: number;
  readonly leftOut: Readonly<LeftOut>;
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
  readonly kind: 'grow' | 'export' | 'certify' | 'download' | 'push' | 'tune' | 'bakeoff';
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
