/**
 * @file The engine's API, in one file: the work that blocks, or may die. One process per job; exit frees the
 * device.
 */
import { z } from 'zod';
import type { GrowthPlan } from '../growth/recipe.ts';
import type { SavedPlan } from '../growth/plan/saved-plan.ts';
import { measureRequest, type DeviceSpeed } from './cost.ts';
import type { NativeLibrary } from './gpu.ts';
import { call, stream, type Api } from './rpc.ts';
import {
  certifyRequest,
  choicesRequest,
  deviceChoice,
  evaluateRequest,
  exportFormat,
  nothing,
  path,
  sampleRequest,
  weightsKind,
  type Certificate,
  type ChoicesEvent,
  type Device,
  type EvaluateEvent,
  type ExportEvent,
  type GrowEvent,
  type RunEvent,
  type SampleEvent,
} from './schema.ts';

export const engine = {
  devices: call(nothing)<readonly Device[]>(),
  /** What CUDA needs of the system, and whether it is there. */
  libraries: call(nothing)<readonly NativeLibrary[]>(),
  /** How fast a device is, in about two seconds of work. */
  measure: call(measureRequest)<DeviceSpeed>(),
  /** Writes the grown checkpoint beside `out` and renames it into place when it is whole. */
  grow: stream(
    z.object({
      source: path,
      out: path,
      plan: z.custom<SavedPlan | GrowthPlan>((v) => typeof v === 'object' && v !== null),
      device: deviceChoice,
    }),
  )<GrowEvent>(),
  certify: call(certifyRequest)<Certificate>(),
  /**
   * Trains the run in this folder from its newest complete checkpoint, or from its start. Events are in
   * events.jsonl before they are sent.
   */
  train: stream(z.object({ run: path }))<RunEvent>(),
  sample: stream(sampleRequest)<SampleEvent>(),
  evaluate: stream(evaluateRequest)<EvaluateEvent>(),
  choices: stream(choicesRequest)<ChoicesEvent>(),
  export: stream(
    z.object({
      run: path,
      out: path,
      dtype: z.enum(['keep', 'float32', 'float16', 'bfloat16']),
      weights: weightsKind.optional(),
      format: exportFormat.optional(),
    }),
  )<ExportEvent>(),
} as const;

export type Engine = Api<typeof engine>;
