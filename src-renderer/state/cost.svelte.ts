/**
 * @file An estimate being looked at: the facts it stands on, the person's assumptions, and the figures that
 * follow a little after every change.
 */
import { dataOf, type ErrorData } from '../../src-main/base/errors.ts';
import type { OptionValue } from '../../src-main/base/option.ts';
import type { CostFacts } from '../../src-main/contract/cost.ts';
import type { Service } from '../../src-main/contract/service.ts';
import type { Assumptions } from '../../src-main/cost/assumptions.ts';
import { estimate, type Estimate } from '../../src-main/cost/estimate.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import { chosenFirst } from '../../src-main/cost/speed.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';

/** What is to be estimated; `sourceParameters` where something is about to be grown. */
export interface Considered {
  readonly subject: Subject;
  readonly training: TrainingSettings;
  readonly sourceParameters?: number;
}

/** Milliseconds after the last change before the figures follow, and before what to try is worked out. */
const soon = 120;
const later = 500;
const kept = 600;

export class CostState {
  facts = $state.raw<CostFacts>();
  told = $state.raw<Estimate>();
  error = $state.raw<ErrorData>();
  measuring = $state(false);
  readonly #service: Service;
  readonly #dir: string | undefined;
  #asked: Considered | undefined;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #changed: Partial<Assumptions> = {};
  #keeping: ReturnType<typeof setTimeout> | undefined;

  constructor(service: Service, dir?: string) {
    this.#service = service;
    this.#dir = dir;
    void this.load();
  }

  async load(): Promise<void> {
    try {
      this.facts = await this.#service.costs(this.#dir === undefined ? {} : { dir: this.#dir });
      this.#again();
    } catch (thrown) {
      this.error = dataOf(thrown);
    }
  }

  /** The figures for this, a moment after it was last changed. */
  consider(asked: Considered): void {
    this.#asked = asked;
    this.#again();
  }

  #again(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [
      setTimeout(() => {
        this.#work();
        if (this.told?.here[0] && ['tight', 'does not fit'].includes(this.told.here[0].verdict))
          this.#timers.push(
            setTimeout(() => {
              void this.#advise();
            }, later),
          );
      }, soon),
    ];
  }

  /** What would fit: each try costs a whole graph, so that the service does it and the page goes on. */
  async #advise(): Promise<void> {
    const asked = this.#asked;
    const before = this.told;
    if (!asked || !before || this.#dir === undefined) return;
    try {
      const { here } = await this.#service.estimate({ dir: this.#dir, training: asked.training });
      if (this.told === before)
        this.told = {
          ...before,
          here: before.here.map((on, i) => ({
            ...on,
            ...(here[i]?.alternatives ? { alternatives: here[i].alternatives } : {}),
          })),
        };
    } catch (thrown) {
      this.error = dataOf(thrown);
    }
  }

  #work(): void {
    if (!this.facts || !this.#asked) return;
    const { sourceParameters = this.facts.sourceParameters, ...asked } = this.#asked;
    const { source } = this.facts;
    const subject = source ? { ...asked.subject, source } : asked.subject;
    const targets = chosenFirst(this.facts.targets, asked.training.device);
    try {
      this.told = estimate({
        ...asked,
        subject,
        book: this.facts.book,
        targets,
        assumptions: this.facts.assumptions,
        plain: true,
        ...(sourceParameters === undefined ? {} : { sourceParameters }),
      });
      this.error = undefined;
    } catch (thrown) {
      this.error = dataOf(thrown);
    }
  }

  /** Assumes something else, here at once and for good. */
  assume(id: string, value: OptionValue): void {
    if (!this.facts || typeof value !== 'number') return;
    this.facts = { ...this.facts, assumptions: { ...this.facts.assumptions, [id]: value } };
    this.#changed = { ...this.#changed, [id]: value };
    this.#again();
    clearTimeout(this.#keeping);
    this.#keeping = setTimeout(() => {
      const changed = this.#changed;
      this.#changed = {};
      this.#service.assume(changed).catch((thrown: unknown) => {
        this.error = dataOf(thrown);
      });
    }, kept);
  }

  /** Measures the device that the run would take. */
  async measure(): Promise<void> {
    const kind = this.told?.here[0]?.target.kind;
    if (!kind) return;
    this.measuring = true;
    try {
      await this.#service.measureDevice({ device: kind });
      await this.load();
    } catch (thrown) {
      this.error = dataOf(thrown);
    } finally {
      this.measuring = false;
    }
  }
}
