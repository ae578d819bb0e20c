/**
 * @file The API of the engine, which does the work that blocks or may crash. Each job has its own process, whose
 * exit frees the device.
 */
import { z } from 'zod';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import type { GrowthPlan } from '../growth/recipe.ts';
import { measureRequest, type DeviceSpeed } from './cost.ts';
import type { NativeLibrary } from './gpu.ts';
import { call, stream, type Api } from './rpc.ts';
import {
  countRequest,
  previewRequest,
  tokenizeRequest,
  type PreviewEvent,
  type TokenizeEvent,
} from './text.ts';
import {
  certificateText,
  certifyRequest,
  checkRequest,
  choicesRequest,
  deviceChoice,
  evaluateRequest,
  exportFormat,
  ggufType,
  logitsRequest,
  nonNegativeInteger,
  nothing,
  path,
  sampleRequest,
  weightsKind,
  type CertifyEvent,
  type CheckResult,
  type ChoicesEvent,
  type Device,
  type EvaluateEvent,
  type ExportEvent,
  type GrowEvent,
  type RunEvent,
  type SampleEvent,
  type WrittenLogits,
} from './schema.ts';
import type { TuneEvent } from './tune.ts';

/** The mean loss of each held-out window in nats per token, and the hash of all tokens of the text. */
export interface WindowLosses {
  readonly losses: readonly number[];
  readonly textHash: string;
}

/** The token for the Hub that the service keeps, in memory only. */
const storedHubToken = z.object({ text: z.string(), from: z.enum(['memory', 'the key store']) });
export type StoredHubToken = z.infer<typeof storedHubToken>;

export const engine = {
  devices: call(nothing)<readonly Device[]>(),
  /** The system libraries that CUDA needs, and whether each is found. */
  libraries: call(nothing)<readonly NativeLibrary[]>(),
  /** Measures the speed of a device, in about two seconds. */
  measure: call(measureRequest)<DeviceSpeed>(),
  /** Writes the grown checkpoint beside `out` and renames it into place when it is complete. */
  grow: stream(
    z.object({
      source: path,
      out: path,
      plan: z.custom<SavedPlan | GrowthPlan>((value) => typeof value === 'object' && value !== null),
      device: deviceChoice,
      certificateText: certificateText.optional(),
    }),
  )<GrowEvent>(),
  certify: stream(certifyRequest)<CertifyEvent>(),
  /** Measures whether a checkpoint was read rightly. */
  check: call(checkRequest)<CheckResult>(),
  /** Writes logits into a folder, to compare them with those of another program. */
  logits: call(logitsRequest)<WrittenLogits>(),
  /**
   * Trains the run in a folder from its newest complete checkpoint, or from its start. Every event is written to
   * events.jsonl before it is sent.
   */
  train: stream(z.object({ run: path, hubToken: storedHubToken.optional() }))<RunEvent>(),
  /** Continues the tuning in a folder. tune.json is replaced after every trial. */
  tune: stream(z.object({ dir: path }))<TuneEvent>(),
  /** The losses of the newest checkpoint of a run on at most `windows` windows of its held-out text. */
  windowLosses: call(z.object({ run: path, windows: z.number().int().min(1) }))<WindowLosses>(),
  sample: stream(sampleRequest)<SampleEvent>(),
  evaluate: stream(evaluateRequest)<EvaluateEvent>(),
  evaluateChoices: stream(choicesRequest)<ChoicesEvent>(),
  tokenizeText: stream(tokenizeRequest)<TokenizeEvent>(),
  previewText: stream(previewRequest.and(z.object({ hubToken: storedHubToken.optional() })))<PreviewEvent>(),
  /** The tokens of each of the data; counting one ends at `atLeast` tokens. */
  countTokens: call(countRequest)<readonly number[]>(),
  export: stream(
    z.object({
      run: path,
      out: path,
      dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
      weights: weightsKind.optional(),
      format: exportFormat.optional(),
      ggufType: ggufType.optional(),
      step: nonNegativeInteger.optional(),
    }),
  )<ExportEvent>(),
} as const;

export type Engine = Api<typeof engine>;
