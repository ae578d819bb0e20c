/**
 * @file One run, purely from its events: series, held-out points, samples, log. Read again from the start, it
 * is the same.
 */
import type { ErrorData } from '../../src-main/base/errors.ts';
import { countUpTo } from '../../src-main/base/sorted.ts';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import type { Reading } from '../../src-main/train/run.ts';
import { againstTold } from '../../src-main/cost/calibration.ts';
import { duration } from '../format.ts';
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
type Started = Extract<RunEvent, { at: 'started' }>;
/** `save`, `pause` and `resume` are expected; `skip`, `back` and `change` are worth a look. */
export interface Mark {
  readonly step: number;
  readonly kind: 'save' | 'pause' | 'resume' | 'skip' | 'back' | 'change';
}
const marked: Readonly<Partial<Record<RunEvent['at'], Mark['kind']>>> = {
  saved: 'save',
  stopped: 'pause',
  started: 'resume',
  skipped: 'skip',
  'rolled-back': 'back',
  rescheduled: 'change',
  budget: 'pause',
};
export type Phase = 'waiting' | 'preparing' | 'running' | 'finished' | 'paused' | 'failed';

export class RunView {
  /** Grows by one whenever something changed, at most once a frame: what is drawn depends on it alone. */
  version = $state(0);
  readonly steps = new Column();
  readonly tokens = new Column();
  /** Seconds of training since the first step, summed over the steps. */
  readonly time = new Column();
  readonly loss = new Column();
  readonly lr = new Column();
  readonly norm = new Column();
  readonly seconds = new Column();
  /** ‖Δw‖ / ‖w‖; not a number where it was not told. */
  readonly ratio = new Column();
  /** Places on the curve where something happened to the run. */
  readonly marks: Mark[] = [];
  readonly heldOutSteps = new Column();
  readonly heldOutTokens = new Column();
  readonly heldOutTime = new Column();
  readonly heldOut = new Column();
  /** How far copies of grown weights lie apart. */
  readonly asymmetrySteps = new Column();
  readonly asymmetry = new Column();
  /** What it held and had spent, every few seconds; and its measured pace, once it had settled. */
  readonly readings: Reading[] = [];
  reading = $state.raw<Reading | null>(null);
  pace = $state.raw<Extract<RunEvent, { at: 'measured' }> | null>(null);
  samples = $state.raw<readonly Sample[]>([]);
  log = $state.raw<readonly LogLine[]>([]);
  phase = $state<Phase>('waiting');
  preparing = $state.raw<{ what: string; done: number; of: number } | null>(null);
  started = $state.raw<Started | null>(null);
  error = $state.raw<ErrorData | null>(null);
  savedStep = $state<number | null>(null);
  /** It was told to decay, in this sitting. */
  falling = $state(false);
  readonly #schedule: (draw: () => void) => void;
  #pending: RunEvent[] = [];

  constructor(
    schedule: (draw: () => void) => void = (draw) => {
      requestAnimationFrame(draw);
    },
  ) {
    this.#schedule = schedule;
  }

  /** The newest step, 0 before the first. */
  get step(): number {
    return this.steps.length ? this.steps.at(-1) : (this.started?.step ?? 0);
  }
  /** Mean tokens per second over the newest steps. */
  get tokensPerSecond(): number {
    const n = this.steps.length;
    const from = Math.max(0, n - 20);
    if (n - from < 2) return Number.NaN;
    return (this.tokens.at(-1) - this.tokens.at(from)) / (this.time.at(-1) - this.time.at(from));
  }
  /** Seconds until the last step at the newest pace. */
  get secondsLeft(): number {
    const n = this.steps.length;
    const from = Math.max(0, n - 20);
    if (!this.started || n - from < 2) return Number.NaN;
    return (
      ((this.time.at(-1) - this.time.at(from)) / (n - 1 - from)) * Math.max(0, this.started.steps - this.step)
    );
  }

  /** Takes an event; what it changes is seen at the next frame. */
  take(event: RunEvent): void {
    this.#pending.push(event);
    if (this.#pending.length === 1)
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
    const kind = marked[event.at];
    if (kind !== undefined && 'step' in event && !(event.at === 'started' && event.step === 0))
      this.marks.push({ step: event.step, kind });
    switch (event.at) {
      case 'preparing':
        this.phase = 'preparing';
        this.preparing = event;
        break;
      case 'started':
        this.phase = 'running';
        this.preparing = null;
        this.error = null;
        if (this.started === null || this.steps.length === 0)
          this.#say(event.step, `Started on ${event.deviceName}`, event.time);
        else this.#say(event.step, `Went on from step ${event.step} on ${event.deviceName}`, event.time);
        if (event.carried !== undefined)
          this.#say(
            event.step,
            `The optimizer's moments came along, after ${event.carried} updates of the run that was grown`,
            event.time,
          );
        this.started = event;
        this.#cutAfter(event.step);
        break;
      case 'step':
        this.phase = 'running';
        this.#cutAfter(event.step - 1);
        this.steps.push(event.step);
        this.tokens.push(event.tokens);
        this.time.push(event.elapsed ?? (this.time.length ? this.time.at(-1) : 0) + event.seconds);
        this.loss.push(event.loss);
        this.lr.push(event.lr);
        this.norm.push(event.norm);
        this.seconds.push(event.seconds);
        this.ratio.push(event.ratio ?? Number.NaN);
        break;
      case 'skipped':
        this.#say(
          event.step,
          `Step left out: its ${event.what} was ${event.value === null ? 'not finite' : `${event.value.toPrecision(4)}, over ${event.limit?.toPrecision(4) ?? 'all bounds'}`}`,
        );
        break;
      case 'rolled-back':
        this.#cutAfter(event.step);
        this.#say(
          event.from,
          `Went back to step ${event.step}: the steps before were not finite`,
          event.time,
        );
        break;
      case 'rescheduled':
        this.falling = true;
        if (this.started) this.started = { ...this.started, steps: event.steps };
        this.#say(
          event.step,
          `The learning rate falls from here on; the run ends at step ${event.steps}`,
          event.time,
        );
        break;
      case 'averaged':
        this.#say(
          event.step,
          `Held-out loss of the ${event.which === 'ema' ? 'moving average' : 'mean of the newest checkpoints'}: ${event.loss.toFixed(4)}`,
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
          ...this.samples.filter((s) => s.step < event.step),
        ];
        break;
      case 'reading':
        this.readings.push(event);
        this.reading = event;
        break;
      case 'measured':
        this.pace = event;
        this.#say(
          event.step,
          `A step takes ${duration(event.stepSeconds)}${event.told === null ? '' : `, ${againstTold(event.stepSeconds, event.told)}`}; ${duration(event.secondsLeft)} to go`,
        );
        break;
      case 'budget':
        this.#say(
          event.step,
          `The budget is spent (${event.what}: ${event.spent.toPrecision(4)} of ${event.limit}); resuming grants it once more`,
        );
        break;
      case 'saved':
        this.savedStep = event.step;
        this.#say(event.step, 'Saved');
        break;
      case 'stopped':
        this.phase =
          event.reason === 'finished' ? 'finished' : event.reason === 'asked' ? 'paused' : 'failed';
        this.error = event.error ?? null;
        this.#say(
          event.step,
          event.reason === 'finished' ? 'Finished' : event.reason === 'asked' ? 'Paused' : 'Failed',
          event.time,
        );
    }
  }

  /** A run that goes on from a saved step repeats what came after it. */
  #cutAfter(step: number): void {
    if (this.steps.length && this.steps.at(-1) > step) {
      const length = countUpTo(this.steps.values, step);
      for (const column of [
        this.steps,
        this.tokens,
        this.time,
        this.loss,
        this.lr,
        this.norm,
        this.seconds,
        this.ratio,
      ])
        column.cut(length);
    }
    if (this.heldOutSteps.length && this.heldOutSteps.at(-1) > step) {
      const length = countUpTo(this.heldOutSteps.values, step);
      for (const column of [this.heldOutSteps, this.heldOutTokens, this.heldOutTime, this.heldOut])
        column.cut(length);
    }
    if (this.asymmetrySteps.length && this.asymmetrySteps.at(-1) > step) {
      const length = countUpTo(this.asymmetrySteps.values, step);
      for (const column of [this.asymmetrySteps, this.asymmetry]) column.cut(length);
    }
  }

  #say(step: number, text: string, time?: string): void {
    this.log = [{ step, text, ...(time === undefined ? {} : { time }) }, ...this.log];
  }
}
