/** @file What a run's folder holds, as types: settings, events, summary. docs/runs.md describes the files. */
import type { ActivationCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import type { DeviceKind } from '../base/device.ts';
import type { ErrorData } from '../base/errors.ts';
import type { PromiseKind } from '../model/promise.ts';
import type { Verdict } from '../model/certificate.ts';
import type { EarlyStopping } from './early-stopping.ts';
import type { LaunchSettings } from './launch.ts';
import type { Precision } from './precision.ts';
import type { TrainingSettings } from './settings.ts';
import type { KeptReason } from './retention.ts';
import type { RunStage, StageEndReason, StageStart } from './stages.ts';

/** `waiting`: in the queue of a device. */
export type RunState =
  'waiting' | 'preparing' | 'running' | 'pausing' | 'paused' | 'finished' | 'failed' | 'interrupted';

/** Where a waiting run is in the queue of its device, from 1. */
export interface QueuePosition {
  readonly device: DeviceKind;
  readonly position: number;
  readonly of: number;
}

/** Format of settings.json and events.jsonl. */
export const runVersion = 2;

/** settings.json of a run's folder. */
export interface RunSettings {
  readonly version: typeof runVersion;
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  /** Folder of the checkpoint that is trained. */
  readonly checkpoint: string;
  /** The training text: files, glob patterns, folders. */
  readonly data: readonly string[];
  /** How often each of `data` is drawn from, relative to the others; absent: all of it is one text. */
  readonly weights?: readonly number[];
  /** Texts that the run is evaluated on; absent: the held-out end of the training text. */
  readonly validation?: readonly string[];
  /** Column or JSON field that holds the text; default `text`. */
  readonly field?: string;
  readonly settings: TrainingSettings;
  /** What the run grows into, and when; absent for a run of one stage. */
  readonly stages?: readonly RunStage[];
  /** How PyTorch trains the run; absent: Cambium's own engine does. */
  readonly launch?: LaunchSettings;
}

export interface PreparingEvent {
  readonly type: 'preparing';
  readonly what: string;
  readonly done: number;
  readonly of: number;
}
export interface StartedEvent {
  readonly type: 'started';
  readonly step: number;
  readonly device: DeviceKind;
  readonly deviceName: string;
  /** Memory of the device in bytes; null if unknown. */
  readonly memory?: number | null;
  readonly parameters: number;
  readonly steps: number;
  readonly trainTokens: number;
  readonly heldOutTokens: number;
  /** What the backward pass recomputes: the setting, or what `auto` stands for on this device. */
  readonly activationCheckpointing?: ActivationCheckpointing;
  /** The groups of CUDA kernels of our own that the run uses, and why others are not used. */
  readonly kernels?: {
    readonly used: readonly string[];
    readonly refused: readonly { readonly group: string; readonly why: string }[];
  };
  /** Updates that the optimizer's moments come from, made before this run. */
  readonly momentUpdates?: number;
  /** Training FLOPs of one token, counted in the graph. */
  readonly flopsPerToken?: number;
  /** The stage that is trained, from 1, in a run with stages. */
  readonly stage?: number;
  readonly time: string;
}
/** One update. Every number is finite. */
export interface StepEvent {
  readonly type: 'step';
  readonly step: number;
  /** Mean loss before the update, in nats per token. */
  readonly loss: number;
  readonly lr: number;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** Norm of the optimizer's step, without weight decay, over the norm of the weights. */
  readonly updateRatio?: number;
  /** Divergence from the source model, in nats, with distillation. */
  readonly kl?: number;
  /** Tokens since the start of the run. */
  readonly tokens: number;
  /** Duration of this step. */
  readonly seconds: number;
  /** Duration of all steps so far, in a history that leaves steps out. */
  readonly elapsed?: number;
}
/** A step that changed nothing, because loss or gradient norm was not below its limit. */
export interface SkippedEvent {
  readonly type: 'skipped';
  readonly step: number;
  readonly what: 'loss' | 'gradient norm';
  /** Null if it was not finite; the step then has no `step` event. */
  readonly value: number | null;
  readonly limit: number | null;
}
/** The run returned from step `from` to its checkpoint of `step`. Earlier events of later steps are void. */
export interface RolledBackEvent {
  readonly type: 'rolled-back';
  readonly step: number;
  readonly from: number;
  readonly time: string;
}
/** The learning rate decays from `step` on; the run now has `steps` steps. */
export interface RescheduledEvent {
  readonly type: 'rescheduled';
  readonly step: number;
  readonly steps: number;
  readonly time: string;
}
/** The certificate of a growth, in short. The whole of it is in growth.json of the grown checkpoint. */
export interface CertificateSummary {
  readonly promise: PromiseKind;
  readonly verdict: Verdict;
  readonly maxLogit: number;
  readonly tolerance: number;
  readonly kl: number;
}
/** The model has grown, and the next stage begins. `step` is the last of the stage before. */
export interface GrownEvent {
  readonly type: 'grown';
  readonly step: number;
  /** The stage that begins, from 1: the first growth begins stage 2. */
  readonly stage: number;
  readonly reason: StageEndReason;
  /** Ids of the growth methods, in order. */
  readonly method: string;
  readonly parametersBefore: number;
  readonly parameters: number;
  /** Held-out loss before and after growing, on the same windows; null without held-out text. */
  readonly lossBefore: number | null;
  readonly lossAfter: number | null;
  readonly certificate: CertificateSummary;
  /** Since the start of the run. */
  readonly tokens: number;
  readonly flops: number;
  /** Of the grown model. */
  readonly flopsPerToken: number;
  /** Steps of the run if it ends in this stage. */
  readonly steps: number;
  /** How long growing and certifying took. */
  readonly seconds: number;
  /** The step folder that was grown, which the run keeps. */
  readonly source: string;
  readonly time: string;
}
/** How fast the loss falls, from a curve fitted to the losses of the stage, in nats per million tokens. */
export interface SlopeEvent {
  readonly type: 'slope';
  readonly step: number;
  readonly fall: number;
  /** The 90 % band. */
  readonly low: number;
  readonly high: number;
}
/** Loss on held-out text, in nats per token. */
export interface EvaluatedEvent {
  readonly type: 'evaluated';
  readonly step: number;
  readonly loss: number;
  readonly tokens: number;
  /** The losses of single texts, if there are several; of each with its own held-out tokens. */
  readonly parts?: readonly { readonly name: string; readonly loss: number; readonly tokens: number }[];
  /** The type of matrix products; absent in older runs: float32. */
  readonly precision?: Precision;
}
/** Loss of averaged weights on the same held-out text. */
export interface AveragedEvent {
  readonly type: 'averaged';
  readonly step: number;
  readonly weights: 'ema' | 'average';
  readonly loss: number;
  readonly tokens: number;
}
/**
 * The largest distance between copies of a grown weight, relative to the weight's norm (docs/methods.md,
 * Symmetry breaking).
 */
export interface AsymmetryEvent {
  readonly type: 'asymmetry';
  readonly step: number;
  readonly value: number;
}
export interface SampleEvent {
  readonly type: 'sample';
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}
export interface SavedEvent {
  readonly type: 'saved';
  readonly step: number;
  readonly dir: string;
}

/** `assumed`: nothing on this computer measures power. */
export type PowerSource = 'nvidia-smi' | 'rapl' | 'assumed';
/** What the run uses and has used since it began. Null means unknown. */
export interface UsageEvent {
  readonly type: 'usage';
  readonly step: number;
  /** Seconds on the device, all sessions together. */
  readonly seconds: number;
  /** Bytes on the device (of the process, on a CPU). */
  readonly memory: number | null;
  readonly watts: number | null;
  /** Share of the time that the device is busy, 0 to 1. */
  readonly utilisation: number | null;
  /** Degrees Celsius. */
  readonly temperature: number | null;
  /** Kilowatt-hours, all sessions together. */
  readonly energy: number | null;
  readonly powerSource: PowerSource | null;
  /** US dollars, all sessions together. */
  readonly cost: number | null;
}
/** The measured duration of a step replaces the estimate. */
export interface MeasuredEvent {
  readonly type: 'measured';
  readonly step: number;
  readonly stepSeconds: number;
  /** The estimate, in seconds. */
  readonly estimated: number | null;
  readonly secondsLeft: number;
}
export type BudgetKind = 'cost' | 'hours' | 'tokens';
/** The run stops because a budget is spent. */
export interface BudgetEvent {
  readonly type: 'budget';
  readonly step: number;
  readonly what: BudgetKind;
  readonly limit: number;
  readonly spent: number;
}
/** The run ends before its last step, because its held-out loss has not improved for `evaluations` evaluations. */
export interface EarlyStoppedEvent {
  readonly type: 'early-stopped';
  readonly step: number;
  /** The lowest held-out loss that counted, and its step. */
  readonly best: number;
  readonly bestStep: number;
  readonly evaluations: number;
}
export interface StoppedEvent {
  readonly type: 'stopped';
  readonly step: number;
  readonly reason: 'finished' | 'requested' | 'failed';
  readonly error?: ErrorData;
  /** Records and documents that were not read, by reason; absent if there are none. */
  readonly leftOut?: Readonly<Partial<Record<string, number>>>;
  readonly time: string;
}

/** One line of events.jsonl. */
export type RunEvent =
  | PreparingEvent
  | StartedEvent
  | StepEvent
  | SkippedEvent
  | RolledBackEvent
  | RescheduledEvent
  | GrownEvent
  | SlopeEvent
  | EvaluatedEvent
  | AveragedEvent
  | AsymmetryEvent
  | SampleEvent
  | SavedEvent
  | UsageEvent
  | MeasuredEvent
  | BudgetEvent
  | EarlyStoppedEvent
  | StoppedEvent;

/** Events of a run, thinned for a chart. */
export interface RunHistory {
  readonly events: readonly RunEvent[];
  /** Lines of events.jsonl that the history covers. */
  readonly lines: number;
  /** Bytes of events.jsonl that it covers; following continues there. */
  readonly offset: number;
  /** True if no event was left out. */
  readonly isComplete: boolean;
}

/** Which weights of a run: the trained ones, their moving average, or the average of the newest checkpoints. */
export type WeightsKind = 'raw' | 'ema' | 'average';

/** A saved step of a run. */
export interface RunCheckpoint {
  readonly step: number;
  /** Its folder for transformers. */
  readonly model: string;
  /** Since the start of the run; null if step.json cannot be read. */
  readonly tokens: number | null;
  /** Training loss of its step. */
  readonly loss: number | null;
  /** Held-out loss, if it was measured at this step. */
  readonly heldOutLoss: number | null;
  /** Of all its files. */
  readonly bytes: number;
  /** When it was written, ISO 8601. */
  readonly saved: string;
  /** Why the run keeps it. */
  readonly kept: readonly KeptReason[];
  /** True if a resume needs it, so that it cannot be deleted. */
  readonly isNeeded: boolean;
}

export interface RunSummary {
  /** The folder: names are not unique. */
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
  /** US dollars so far; null if it is unknown. */
  readonly cost: number | null;
  readonly created: string;
  readonly tags?: readonly string[];
  readonly notes?: string;
  readonly error?: ErrorData;
  /** What is wrong with events.jsonl, if anything. The checkpoints do not depend on it. */
  readonly damage?: ErrorData;
  /** Present while the run waits. */
  readonly queue?: QueuePosition;
  /** Present if the run finished before its last step, because its held-out loss no longer improved. */
  readonly earlyStopped?: EarlyStopping;
  /** Step of the newest complete checkpoint; null if there is none. */
  readonly savedStep: number | null;
  readonly stages?: readonly RunStage[];
  /** The starts of the stages so far, in a run with stages; the last is that of its stage. */
  readonly stageStarts?: readonly StageStart[];
}
