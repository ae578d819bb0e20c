/** @file A run that a page follows: its summary, its events, its cost record, and the requests to change it. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import { activeStates } from '../../src-main/contract/activity.ts';
import type { CostRecord } from '../../src-main/contract/cost.ts';
import type { ResumeRequest, RunEvent, RunState, RunSummary } from '../../src-main/contract/schema.ts';
import { follow, streamRun } from './follow.ts';
import { RunView } from './run-view.svelte.ts';
import type { Session } from './session.svelte.ts';

const isActive = (state: RunState | undefined): boolean =>
  state !== undefined && activeStates.includes(state);

export class FollowedRun {
  view = $state.raw(new RunView());
  run = $state.raw<RunSummary>();
  record = $state.raw<CostRecord | null>(null);
  error = $state.raw<ErrorData>();
  isBusy = $state(false);
  /** True if the stream has ended, because the run has no engine. */
  hasEnded = $state(false);
  /** True from a request to resume until its first new event: until then, the events end with the stop. */
  #isResuming = $state(false);
  /** How often the run had grown when it was asked to grow again. */
  #growthsBefore = $state<number>();
  /** Increases when the run has to be followed again. */
  #followCount = $state(0);
  /** How far the last stream has come. */
  #received = { starts: 0, step: 0 };
  readonly #session: Session;
  readonly #id: string;

  /** Whether the run has an engine is known from its summary; if it has one, the events know more. */
  state = $derived.by<RunState>(() => {
    if (!this.run) return 'preparing';
    const known = this.run.state;
    if (!isActive(known)) return known;
    if (this.#isResuming) return 'preparing';
    const { phase } = this.view;
    if (phase === 'waiting' || (known === 'pausing' && phase === 'running')) return known;
    return phase;
  });

  /** True from a request to grow until the run has grown or stopped. */
  isGrowing = $derived.by(() => {
    void this.view.version;
    return this.#growthsBefore === this.view.growths.length && isActive(this.state);
  });

  constructor(session: Session, id: string) {
    this.#session = session;
    this.#id = id;
  }

  /** Follows the run until the returned function is called. Depends on what makes it necessary to follow again. */
  follow(): () => void {
    void this.#followCount;
    const controller = new AbortController();
    void this.#follow(controller.signal);
    return () => {
      controller.abort();
    };
  }

  followAgain(): void {
    this.hasEnded = false;
    this.#isResuming = true;
    this.#followCount++;
  }

  async #load(): Promise<void> {
    const { service } = this.#session;
    const id = this.#id;
    const [summary, cost] = await Promise.all([service.run({ id }), service.runCost({ id })]);
    this.run = summary;
    this.record = cost;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { open, onEvent } = this.#createStream(signal);
    try {
      await this.#load();
      await follow(open, onEvent, this.#session.reconnected, signal);
      if (signal.aborted) return;
      await this.#load();
      this.#isResuming = false;
      await this.#session.refresh();
      this.hasEnded = true;
    } catch (thrown) {
      if (!signal.aborted) this.error = toErrorData(thrown);
    }
  }

  /**
   * A stream of all events, into a new view each time it is opened. It does not continue after the last known
   * event, because a resumed run replaces events.
   */
  #createStream(signal: AbortSignal): {
    open: () => AsyncIterable<RunEvent>;
    onEvent: (event: RunEvent) => void;
  } {
    let nextView = new RunView();
    const before = this.#received;
    return {
      open: () => {
        nextView = new RunView();
        this.#received = { starts: 0, step: 0 };
        return streamRun(this.#session.service, this.#id, signal);
      },
      onEvent: (event) => {
        if (this.view !== nextView) this.view = nextView;
        nextView.add(event);
        const received = this.#received;
        if (event.type === 'started') received.starts++;
        if (event.type === 'step') received.step = event.step;
        if (received.starts > before.starts || received.step > before.step) this.#isResuming = false;
      },
    };
  }

  /** Makes a request that changes the run; its error is shown. */
  async call(request: () => Promise<RunSummary>): Promise<void> {
    this.isBusy = true;
    this.error = undefined;
    try {
      this.run = await request();
      void this.#session.refresh();
    } catch (thrown) {
      this.error = toErrorData(thrown);
    } finally {
      this.isBusy = false;
    }
  }
  #callAndFollow(request: () => Promise<RunSummary>): Promise<void> {
    return this.call(async () => {
      const resumed = await request();
      // Its events begin when its turn comes.
      if (resumed.state === 'waiting') return resumed;
      this.followAgain();
      return resumed;
    });
  }
  pause(): Promise<void> {
    return this.call(() => this.#session.service.stopRun({ id: this.#id }));
  }
  /** Ends a run that does not pause. The steps since its last save are lost. */
  stopNow(): Promise<void> {
    return this.call(() => this.#session.service.stopRun({ id: this.#id, now: true }));
  }
  /** Resumes the run, or puts it into the queue while another one trains on its device. */
  resume(changes: Omit<ResumeRequest, 'id' | 'queue'> = {}): Promise<void> {
    const request = { id: this.#id, queue: 'last' as const, ...changes };
    return this.#callAndFollow(() => this.#session.service.resumeRun(request));
  }
  /** Starts a waiting run at once. */
  start(): Promise<void> {
    return this.#callAndFollow(() => this.#session.service.resumeRun({ id: this.#id }));
  }
  /** Ends the stage of a run with stages, and grows; resumes a run that is not training. */
  grow(): Promise<void> {
    const request = (): Promise<RunSummary> => this.#session.service.growRun({ id: this.#id });
    this.#growthsBefore = this.view.growths.length;
    return isActive(this.run?.state) ? this.call(request) : this.#callAndFollow(request);
  }
  /** Decays the learning rate from here on; resumes a run that is not training. */
  decay(steps?: number): Promise<void> {
    const request = (): Promise<RunSummary> =>
      this.#session.service.decayRun({ id: this.#id, ...(steps === undefined ? {} : { steps }) });
    return isActive(this.run?.state) ? this.call(request) : this.#callAndFollow(request);
  }
}
