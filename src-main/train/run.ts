/** @file A training run as data: what its folder says about it. */
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import type { TrainingSettings } from './settings.ts';

export type RunState = 'preparing' | 'running' | 'pausing' | 'paused' | 'finished' | 'failed' | 'interrupted';

/** settings.json of a run's folder. */
export interface RunSettings {
  readonly version: 1;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  /** The folder it starts from, and the text files it learns. */
  readonly checkpoint: string;
  readonly data: readonly string[];
  readonly settings: TrainingSettings;
}

/** One line of a run's events.jsonl. `loss` is the step's mean in nats before the update; `tokens` counts from the start; `seconds` is the step's own. */
export type RunEvent =
  | { readonly at: 'preparing'; readonly what: string; readonly done: number; readonly of: number }
  | { readonly at: 'started'; readonly step: number; readonly device: DeviceKind; readonly deviceName: string; readonly parameters: number; readonly steps: number; readonly trainTokens: number; readonly heldOutTokens: number; readonly time: string }
  | { readonly at: 'step'; readonly step: number; readonly loss: number; readonly lr: number; readonly norm: number; readonly tokens: number; readonly seconds: number }
  | { readonly at: 'evaluated'; readonly step: number; readonly loss: number; readonly tokens: number }
  | { readonly at: 'sample'; readonly step: number; readonly prompt: string; readonly text: string }
  | { readonly at: 'saved'; readonly step: number; readonly dir: string }
  | { readonly at: 'stopped'; readonly step: number; readonly reason: 'finished' | 'asked' | 'failed'; readonly error?: ErrorData; readonly time: string };

export interface RunCard {
  readonly id: string;
  readonly dir: string;
  readonly name: string;
  readonly checkpoint: string;
  readonly data: readonly string[];
  readonly settings: TrainingSettings;
  readonly state: RunState;
  readonly step: number;
  readonly steps: number;
  readonly tokens: number;
  readonly loss: number | null;
  readonly heldOutLoss: number | null;
  readonly seconds: number;
  readonly created: string;
  readonly error?: ErrorData;
  /** Step of the newest complete checkpoint, or null. */
  readonly savedStep: number | null;
}
