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
  /** The folder it starts from, and the text it learns: files, patterns, folders. */
  readonly checkpoint: string;
  readonly data: readonly string[];
  /** How often each of `data` is drawn from against the others; absent: all is one text. */
  readonly weights?: readonly number[];
  /** The column or JSON field that holds the text, where that is not `text`. */
  readonly field?: string;
  readonly settings: TrainingSettings;
}

/**
 * One line of a run's events.jsonl. `loss` is the step's mean in nats before the update; `tokens` counts from
 * the start; `seconds` is the step's own.
 */
export type RunEvent =
  | { readonly at: 'preparing'; readonly what: string; readonly done: number; readonly of: number }
  | {
      readonly at: 'started';
      readonly step: number;
      readonly device: DeviceKind;
      readonly deviceName: string;
      /** Bytes that the device has; null where nobody tells. */ readonly memory?: number | null;
      readonly parameters: number;
      readonly steps: number;
      readonly trainTokens: number;
      readonly heldOutTokens: number;
      /** Updates that the optimizer's moments have seen before this run. */ readonly carried?: number;
      readonly time: string;
    }
  | StepEvent
  /**
   * Step `step` changed nothing: `what` was `value`, not below `limit` (null: it was not finite, and the step
   * has no other event).
   */
  | {
      readonly at: 'skipped';
      readonly step: number;
      readonly what: 'loss' | 'gradient norm';
      readonly value: number | null;
      readonly limit: number | null;
    }
  /**
   * After steps left out in a row the run went back from step `from` to its saved state of `step`, and reads
   * on in the text behind them: what was told of steps above `step` is void.
   */
  | { readonly at: 'rolled-back'; readonly step: number; readonly from: number; readonly time: string }
  /** The learning rate falls from `step` on: `steps` are those of the whole run now. */
  | { readonly at: 'rescheduled'; readonly step: number; readonly steps: number; readonly time: string }
  | { readonly at: 'evaluated'; readonly step: number; readonly loss: number; readonly tokens: number }
  /** The loss on the same held-out text of an average of the weights. */
  | {
      readonly at: 'averaged';
      readonly step: number;
      readonly which: 'ema' | 'average';
      readonly loss: number;
      readonly tokens: number;
    }
  /**
   * How far copies of a grown weight lie apart, as a share of the weight's own size: the largest of those
   * that growing did not roughen (methods.md 11).
   */
  | { readonly at: 'asymmetry'; readonly step: number; readonly value: number }
  | { readonly at: 'sample'; readonly step: number; readonly prompt: string; readonly text: string }
  | { readonly at: 'saved'; readonly step: number; readonly dir: string }
  /**
   * What the run holds and has spent: seconds that a device was held and kilowatt-hours, all sittings
   * together; bytes on the device (of the process, on a processor).
   */
  | Reading
  /** After the first steps their measured time takes the place of the estimate `told`; both in seconds. */
  | {
      readonly at: 'measured';
      readonly step: number;
      readonly stepSeconds: number;
      readonly told: number | null;
      readonly secondsLeft: number;
    }
  /** The run stops here by itself: it has spent what it was given. */
  | {
      readonly at: 'budget';
      readonly step: number;
      readonly what: BudgetKind;
      readonly limit: number;
      readonly spent: number;
    }
  | {
      readonly at: 'stopped';
      readonly step: number;
      readonly reason: 'finished' | 'asked' | 'failed';
      readonly error?: ErrorData;
      readonly time: string;
    };

/**
 * `norm` is the gradient's before clipping, `ratio` ‖Δw‖ / ‖w‖, `kl` the divergence from the source where it
 * is learned from. All are finite.
 */
export interface StepEvent {
  readonly at: 'step';
  readonly step: number;
  readonly loss: number;
  readonly lr: number;
  readonly norm: number;
  readonly ratio?: number;
  readonly kl?: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Seconds of all steps so far, where those between are left out. */ readonly elapsed?: number;
}

/** `assumed`: nothing here measures power. */
export type PowerSource = 'nvidia-smi' | 'rapl' | 'assumed';
export type BudgetKind = 'money' | 'hours' | 'tokens';
export interface Reading {
  readonly at: 'reading';
  readonly step: number;
  readonly seconds: number;
  /**
   * Null where nobody tells: bytes, watts, share of the time at work, degrees Celsius, kilowatt-hours, US
   * dollars.
   */
  readonly memory: number | null;
  readonly watts: number | null;
  readonly utilisation: number | null;
  readonly temperature: number | null;
  readonly energy: number | null;
  readonly power: PowerSource | null;
  readonly money: number | null;
}

/**
 * Events of a run, thinned; how many lines and bytes of its file they stand for, which is where following it
 * goes on; `whole` when nothing was left out.
 */
export interface RunHistory {
  readonly events: readonly RunEvent[];
  readonly lines: number;
  readonly offset: number;
  readonly whole: boolean;
}

/** Which weights of a run: as they are, their moving average, or the mean of the newest saved ones. */
export type WeightsKind = 'raw' | 'ema' | 'average';

export interface RunCard {
  /** Its folder: two runs may have one name. */
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
  /** What a person said of it. */
  readonly tags?: readonly string[];
  readonly notes?: string;
  readonly error?: ErrorData;
  /** Step of the newest complete checkpoint, or null. */
  readonly savedStep: number | null;
}
