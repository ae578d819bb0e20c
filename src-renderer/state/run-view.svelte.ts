/** @file A run as its events describe it: series for the charts, samples, log, state. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import {
  formatCount,
  formatDuration,
  formatInteger,
  formatMoney,
  formatNumber,
  formatQuantity,
} from '../../src-main/base/format.ts';
import { countUpTo } from '../../src-main/base/sorted.ts';
import { formatFall } from '../../src-main/contract/compared-slopes.ts';
import { compareWithEstimate } from '../../src-main/cost/calibration.ts';
import type { EarlyStopping } from '../../src-main/train/early-stopping.ts';
import type {
  BudgetEvent,
  GrownEvent,
  MeasuredEvent,
  RunEvent,
  SkippedEvent,
  SlopeEvent,
  StartedEvent,
  StepEvent,
  StoppedEvent,
  UsageEvent,
} from '../../src-main/train/run.ts';
import { Column } from './series.ts';

export interface Sample {
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}
export interface LogLine {
  readonly step: number;
  readonly text: string;
  readonly time?: string;
}

export type MarkKind = 'save' | 'pause' | 'resume' | 'skip' | 'rollback' | 'reschedule' | 'grow';
/** A step at which something happened to the run. */
export interface Mark {
  readonly step: number;
  readonly kind: MarkKind;
}
const markKinds: Readonly<Partial<Record<RunEvent['type'], MarkKind>>> = {
  saved: 'save',
  stopped: 'pause',
  started: 'resume',
  skipped: 'skip',
  'rolled-back': 'rollback',
  rescheduled: 'reschedule',
  grown: 'grow',
  budget: 'pause',
  'early-stopped': 'pause',
};

export type RunPhase = 'waiting' | 'preparing' | 'running' | 'finished' | 'paused' | 'failed';

const stopPhases = { finished: 'finished', requested: 'paused', failed: 'failed' } as const;
const stopTexts = { finished: 'Finished', requested: 'Paused', failed: 'Failed' } as const;
const averageNames = { ema: 'moving average', average: 'average of the newest checkpoints' } as const;

/** Why the run ended before its last step. */
export const describeEarlyStop = ({ best, bestStep, evaluations }: EarlyStopping): string =>
  `The held-out loss has not improved on ${formatNumber(best)} (step ${formatInteger(bestStep)}) ` +
  `in ${formatQuantity(evaluations, 'evaluation')}`;

/** Steps over which the current speed is measured. */
const speedWindow = 20;

/** Milliseconds from one drawing to the next: with every step of a fast run, presses would wait for charts. */
const drawInterval = 200;

/** Draws in a frame: at once after a pause, and otherwise `drawInterval` after the last drawing. */
function createDrawSchedule(): (draw: () => void) => void {
  let last = -Infinity;
  return (draw) => {
    const drawInFrame = (): void => {
      requestAnimationFrame((now) => {
        last = now;
        draw();
      });
    };
    const wait = last + drawInterval - performance.now();
    if (wait > 0) setTimeout(drawInFrame, wait);
    else drawInFrame();
  };
}

export class RunView {
  /** Increases with every change, a few times a second. A chart that depends on it redraws. */
  version = $state(0);
  readonly steps = new Column();
  readonly tokens = new Column();
  /** Seconds of training since the first step. */
  readonly time = new Column();
  readonly loss = new Column();
  readonly lr = new Column();
  readonly gradNorm = new Column();
  readonly seconds = new Column();
  /** ‖Δw‖ / ‖w‖; NaN where it was not reported. */
  readonly updateRatio = new Column();
  readonly marks: Mark[] = [];
  readonly heldOutSteps = new Column();
  readonly heldOutTokens = new Column();
  readonly heldOutTime = new Column();
  readonly heldOut = new Column();
  readonly asymmetrySteps = new Column();
  /** How far copies of grown weights are apart. */
  readonly asymmetry = new Column();
  /** The growths of a run with stages. */
  readonly growths: GrownEvent[] = [];
  /** How fast the loss falls, in a run with stages. */
  readonly slopes: SlopeEvent[] = [];
  /** Memory, power and cost, every few seconds. */
  readonly usages: UsageEvent[] = [];
  /** The newest of `usages`. */
  usage = $state.raw<UsageEvent | null>(null);
  measured = $state.raw<MeasuredEvent | null>(null);
  samples = $state.raw<readonly Sample[]>([]);
  log = $state.raw<readonly LogLine[]>([]);
  phase = $state<RunPhase>('waiting');
  preparing = $state.raw<{ what: string; done: number; of: number } | null>(null);
  started = $state.raw<StartedEvent | null>(null);
  error = $state.raw<ErrorData | null>(null);
  savedStep = $state<number | null>(null);
  /** True if the learning rate decays on request, since the current session. */
  isDecaying = $state(false);
  readonly #schedule: (draw: () => void) => void;
  #pending: RunEvent[] = [];

  constructor(schedule: (draw: () => void) => void = createDrawSchedule()) {
    this.#schedule = schedule;
  }

  /** The newest step, 0 before the first. */
  get step(): number {
    return this.steps.length ? this.steps.at(-1) : (this.started?.step ?? 0);
  }

  /** Over the newest steps; NaN before the second step. */
  get tokensPerSecond(): number {
    const last = this.steps.length - 1;
    const first = Math.max(0, last + 1 - speedWindow);
    if (last - first < 1) return Number.NaN;
    return (this.tokens.at(last) - this.tokens.at(first)) / (this.time.at(last) - this.time.at(first));
  }

  /** Seconds until the last step at the current speed. */
  get secondsLeft(): number {
    const last = this.steps.length - 1;
    const first = Math.max(0, last + 1 - speedWindow);
    if (!this.started || last - first < 1) return Number.NaN;
    const secondsPerStep = (this.time.at(last) - this.time.at(first)) / (last - first);
    return secondsPerStep * Math.max(0, this.started.steps - this.step);
  }

  /** Adds an event; its changes are visible with the next drawing. */
  add(event: RunEvent): void {
    this.#pending.push(event);
    if (this.#pending.length > 1) return;
    this.#schedule(() => {
      this.flush();
    });
  }

  flush(): void {
    const events = this.#pending;
    if (events.length === 0) return;
    this.#pending = [];
    for (const event of events) this.#apply(event);
    this.version++;
  }

  #apply(event: RunEvent): void {
    const kind = markKinds[event.type];
    const isFirstStart = event.type === 'started' && event.step === 0;
    if (kind !== undefined && 'step' in event && !isFirstStart) this.marks.push({ step: event.step, kind });
    switch (event.type) {
      case 'preparing':
        this.phase = 'preparing';
        this.preparing = event;
        break;
      case 'started':
        this.#applyStarted(event);
        break;
      case 'step':
        this.#applyStep(event);
        break;
      case 'skipped':
        this.#addLog(event.step, describeSkip(event));
        break;
      case 'rolled-back':
        this.#cutAfter(event.step);
        this.#addLog(
          event.from,
          `Rolled back to step ${event.step}: too many steps in a row were skipped`,
          event.time,
        );
        break;
      case 'rescheduled': {
        this.isDecaying = true;
        if (this.started) this.started = { ...this.started, steps: event.steps };
        const text = `The learning rate decays from here on; the run ends at step ${event.steps}`;
        this.#addLog(event.step, text, event.time);
        break;
      }
      case 'grown':
        this.#applyGrown(event);
        break;
      case 'slope':
        this.#applySlope(event);
        break;
      case 'averaged':
        this.#addLog(
          event.step,
          `Held-out loss of the ${averageNames[event.weights]}: ${event.loss.toFixed(4)}`,
        );
        break;
      case 'asymmetry':
        this.asymmetrySteps.push(event.step);
        this.asymmetry.push(event.value);
        break;
      case 'evaluated':
        this.heldOutSteps.push(event.step);
        this.heldOutTokens.push(this.tokens.length ? this.tokens.at(-1) : 0);
        this.heldOutTime.push(this.time.length ? this.time.at(-1) : 0);
        this.heldOut.push(event.loss);
        break;
      case 'sample':
        this.samples = [
          { step: event.step, prompt: event.prompt, text: event.text },
          ...this.samples.filter((sample) => sample.step < event.step),
        ];
        break;
      case 'usage':
        this.usages.push(event);
        this.usage = event;
        break;
      case 'measured':
        this.measured = event;
        this.#addLog(event.step, describeSpeed(event));
        break;
      case 'budget':
        this.#addLog(event.step, describeBudget(event));
        break;
      case 'early-stopped':
        this.#addLog(event.step, describeEarlyStop(event));
        break;
      case 'saved':
        this.savedStep = event.step;
        this.#addLog(event.step, 'Saved');
        break;
      case 'stopped':
        this.#applyStopped(event);
        break;
    }
  }

  #applyStarted(event: StartedEvent): void {
    // The run begins anew, or its events are read again because a resume has removed some.
    if (event.step === 0) this.log = [];
    const isFirstStart = this.started === null || this.steps.length === 0;
    const what = isFirstStart ? 'Started' : `Resumed at step ${event.step}`;
    this.phase = 'running';
    this.preparing = null;
    this.error = null;
    this.#addLog(event.step, `${what} on ${event.deviceName}`, event.time);
    for (const { group, why } of event.kernels?.refused ?? [])
      this.#addLog(event.step, `The kernel group ${group} is not used: ${why}`, event.time);
    if (event.momentUpdates !== undefined) {
      const text = `Optimizer moments loaded from the grown run, after ${event.momentUpdates} updates`;
      this.#addLog(event.step, text, event.time);
    }
    this.started = event;
    this.#cutAfter(event.step);
  }

  #applyStep(event: StepEvent): void {
    const previousTime = this.time.length ? this.time.at(-1) : 0;
    this.phase = 'running';
    this.#cutAfter(event.step - 1);
    this.steps.push(event.step);
    this.tokens.push(event.tokens);
    this.time.push(event.elapsed ?? previousTime + event.seconds);
    this.loss.push(event.loss);
    this.lr.push(event.lr);
    this.gradNorm.push(event.gradNorm);
    this.seconds.push(event.seconds);
    this.updateRatio.push(event.updateRatio ?? Number.NaN);
  }

  #applyGrown(event: GrownEvent): void {
    const { step, steps, parameters } = event;
    this.preparing = null;
    if (this.started) this.started = { ...this.started, steps, parameters };
    const isKnown = this.growths.some((growth) => growth.stage === event.stage);
    if (!isKnown) this.growths.push(event);
    this.#addLog(step, describeGrown(event), event.time);
  }

  /** Logs the first slope after a growth beside the last one before it. */
  #applySlope(event: SlopeEvent): void {
    const before = this.slopes.at(-1);
    this.slopes.push(event);
    const growth = this.growths.at(-1);
    if (!growth || event.step <= growth.step || (before && before.step > growth.step)) return;
    const earlier = before ? `, before it by ${formatFall(before)}` : '';
    this.#addLog(event.step, `After growing, the loss falls by ${formatFall(event)}${earlier}`);
  }

  #applyStopped(event: StoppedEvent): void {
    this.phase = stopPhases[event.reason];
    this.error = event.error ?? null;
    this.#addLog(event.step, stopTexts[event.reason], event.time);
  }

  /** Removes what comes after a step: a resumed run repeats the steps after its checkpoint. */
  #cutAfter(step: number): void {
    cutColumns(step, this.steps, [
      this.tokens,
      this.time,
      this.loss,
      this.lr,
      this.gradNorm,
      this.seconds,
      this.updateRatio,
    ]);
    cutColumns(step, this.heldOutSteps, [this.heldOutTokens, this.heldOutTime, this.heldOut]);
    cutColumns(step, this.asymmetrySteps, [this.asymmetry]);
    while (this.growths.length > 0 && this.growths.at(-1)!.step > step) this.growths.pop();
    while (this.slopes.length > 0 && this.slopes.at(-1)!.step > step) this.slopes.pop();
  }

  #addLog(step: number, text: string, time?: string): void {
    this.log = [{ step, text, ...(time === undefined ? {} : { time }) }, ...this.log];
  }
}

function cutColumns(step: number, steps: Column, others: readonly Column[]): void {
  if (steps.length === 0 || steps.at(-1) <= step) return;
  const length = countUpTo(steps.values, step);
  for (const column of [steps, ...others]) column.cut(length);
}

function describeGrown({
  stage,
  reason,
  method,
  parametersBefore,
  parameters,
  lossBefore,
  lossAfter,
  certificate,
}: GrownEvent): string {
  const sizes = `from ${formatCount(parametersBefore)} to ${formatCount(parameters)} parameters`;
  const loss =
    lossBefore === null || lossAfter === null
      ? ''
      : `; held-out loss ${lossBefore.toFixed(4)} before, ${lossAfter.toFixed(4)} after`;
  return `Stage ${stage - 1} ended (${reason}). Grown by ${method} ${sizes}; certificate ${certificate.verdict}${loss}`;
}

function describeSkip({ what, value, limit }: SkippedEvent): string {
  if (value === null) return `Step skipped: its ${what} was not finite`;
  const limitText = limit === null ? 'the limit' : `the limit of ${limit.toPrecision(4)}`;
  return `Step skipped: its ${what} was ${value.toPrecision(4)}, above ${limitText}`;
}

function describeSpeed({ stepSeconds, estimated, secondsLeft }: MeasuredEvent): string {
  const comparison = estimated === null ? '' : `, ${compareWithEstimate(stepSeconds, estimated)}`;
  return `A step takes ${formatDuration(stepSeconds)}${comparison}; ${formatDuration(secondsLeft)} left`;
}

function describeBudget({ what, limit, spent }: BudgetEvent): string {
  const { name, format } = budgets[what];
  return `The ${name} budget is spent: ${format(spent)} of ${format(limit)}. Resuming grants it again`;
}
const budgets = {
  cost: { name: 'cost', format: formatMoney },
  hours: { name: 'time', format: (hours: number) => formatDuration(3600 * hours) },
  tokens: { name: 'token', format: formatCount },
} as const;
