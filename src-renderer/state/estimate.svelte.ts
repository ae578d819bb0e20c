/** @file The cost estimate of a form: its facts, its assumptions, and the figures, updated after every change. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import type { OptionValue } from '../../src-main/base/option.ts';
import type { CostFacts } from '../../src-main/contract/cost.ts';
import { estimatedStage } from '../../src-main/contract/stages.ts';
import type { Service } from '../../src-main/contract/service.ts';
import type { Assumptions } from '../../src-main/cost/assumptions.ts';
import { estimate, type Estimate, type EstimateRequest } from '../../src-main/cost/estimate.ts';
import { estimateStages } from '../../src-main/cost/stages.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import type { PromiseKind } from '../../src-main/model/promise.ts';
import { sortByChoice } from '../../src-main/cost/speed.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import type { ResolvedStages } from './stages.svelte.ts';

export interface EstimateInput {
  readonly subject: Subject;
  readonly training: TrainingSettings;
  /** The stages of a run that grows while it trains. */
  readonly stages?: ResolvedStages;
  /** Parameters of the source, and what the growth preserves, if a checkpoint is about to be grown. */
  readonly sourceParameters?: number;
  readonly growthPromise?: PromiseKind;
  /** Tokens that the source was trained on, if they are known. */
  readonly sourceTokens?: number;
}

const estimateAll = (request: EstimateRequest, { stages, planned }: ResolvedStages): Estimate =>
  estimateStages(request, stages, planned.map(estimatedStage));

/** Milliseconds from the last change to the figures, from the figures to the alternatives, and to saving. */
const estimateDelay = 120;
const alternativesDelay = 500;
const saveDelay = 600;

export class EstimateState {
  facts = $state.raw<CostFacts>();
  estimate = $state.raw<Estimate>();
  error = $state.raw<ErrorData>();
  isMeasuring = $state(false);
  readonly #service: Service;
  readonly #dir: string | undefined;
  #input: EstimateInput | undefined;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #unsavedChanges: Partial<Assumptions> = {};
  #saveTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(service: Service, dir?: string) {
    this.#service = service;
    this.#dir = dir;
    void this.load();
  }

  async load(): Promise<void> {
    try {
      this.facts = await this.#service.costs(this.#dir === undefined ? {} : { dir: this.#dir });
      this.#schedule();
    } catch (thrown) {
      this.error = toErrorData(thrown);
    }
  }

  /** Estimates `input` shortly after the last call. */
  update(input: EstimateInput): void {
    this.#input = input;
    this.#schedule();
  }

  #schedule(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    const addAlternatives = (): void => {
      void this.#addAlternatives();
    };
    const run = (): void => {
      this.#estimate();
      const verdict = this.estimate?.here[0]?.verdict;
      if (verdict === 'tight' || verdict === 'does not fit')
        this.#timers.push(setTimeout(addAlternatives, alternativesDelay));
    };
    this.#timers = [setTimeout(run, estimateDelay)];
  }

  /** Settings that fit. The service finds them, because each attempt builds a whole graph. */
  async #addAlternatives(): Promise<void> {
    const input = this.#input;
    const before = this.estimate;
    if (!input || !before || this.#dir === undefined) return;
    try {
      const { here } = await this.#service.estimate({
        dir: this.#dir,
        training: input.training,
        ...(input.stages ? { stages: input.stages.stages } : {}),
      });
      if (this.estimate !== before) return;
      this.estimate = {
        ...before,
        here: before.here.map((device, i) => {
          const alternatives = here[i]?.alternatives;
          return alternatives ? { ...device, alternatives } : device;
        }),
      };
    } catch (thrown) {
      this.error = toErrorData(thrown);
    }
  }

  #estimate(): void {
    if (!this.facts || !this.#input) return;
    const { source, book, assumptions } = this.facts;
    const { sourceParameters = this.facts.sourceParameters, sourceTokens, training } = this.#input;
    const { growthPromise = this.facts.growthPromise, stages } = this.#input;
    const subject = source ? { ...this.#input.subject, source } : this.#input.subject;
    const targets = sortByChoice(this.facts.targets, training.device);
    try {
      const request: EstimateRequest = {
        subject,
        training,
        book,
        targets,
        assumptions,
        skipAlternatives: true,
        ...(sourceParameters === undefined ? {} : { sourceParameters }),
        ...(growthPromise === undefined ? {} : { growthPromise }),
        ...(sourceTokens === undefined ? {} : { sourceTokens }),
      };
      this.estimate = stages ? estimateAll(request, stages) : estimate(request);
      this.error = undefined;
    } catch (thrown) {
      // The figures of an earlier input would be read as those of this one.
      this.estimate = undefined;
      this.error = toErrorData(thrown);
    }
  }

  /** Changes an assumption at once, and saves it a little later. */
  setAssumption(id: string, value: OptionValue): void {
    if (!this.facts || typeof value !== 'number') return;
    this.facts = { ...this.facts, assumptions: { ...this.facts.assumptions, [id]: value } };
    this.#unsavedChanges = { ...this.#unsavedChanges, [id]: value };
    this.#schedule();
    clearTimeout(this.#saveTimer);
    this.#saveTimer = setTimeout(() => {
      const changes = this.#unsavedChanges;
      this.#unsavedChanges = {};
      this.#service.setAssumptions(changes).catch((thrown: unknown) => {
        this.error = toErrorData(thrown);
      });
    }, saveDelay);
  }

  /** Measures the speed of the device that the run would use. */
  async measure(): Promise<void> {
    const device = this.estimate?.here[0]?.target.kind;
    if (!device) return;
    this.isMeasuring = true;
    try {
      await this.#service.measureDevice({ device });
      await this.load();
    } catch (thrown) {
      this.error = toErrorData(thrown);
    } finally {
      this.isMeasuring = false;
    }
  }
}
