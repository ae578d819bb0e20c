/** @file The runs that are compared. Each keeps its colour while others are added and removed. */
import { toErrorData, type ErrorData } from '../../src-main/base/errors.ts';
import { activeStates } from '../../src-main/contract/activity.ts';
import { SvelteMap } from 'svelte/reactivity';
import { loadRun, type LoadedRun } from './comparison.ts';

/** As many as there are colours of lines. */
export const maxComparedRuns = 8;

export interface ComparedRun extends LoadedRun {
  /** As it was asked for. */
  readonly id: string;
  /** Unique among the compared runs. */
  readonly name: string;
  /** Name of a colour variable. */
  readonly colour: string;
}

export class ComparedRuns {
  ids = $state.raw<readonly string[]>([]);
  error = $state.raw<ErrorData>();
  readonly #loaded = new SvelteMap<string, LoadedRun>();
  /** The place of each run among the colours. */
  readonly #slots: Record<string, number> = {};
  readonly #service: Parameters<typeof loadRun>[0];

  /** In the order of `ids`; without those that are not loaded yet. */
  runs = $derived.by<readonly ComparedRun[]>(() => {
    const found = this.ids.flatMap((id) => {
      const loaded = this.#loaded.get(id);
      return loaded ? [{ ...loaded, id, colour: `--run-${this.#slots[id]!}` }] : [];
    });
    return found.map((one) => {
      const isAmbiguous = found.some(({ id, run }) => id !== one.id && run.name === one.run.name);
      return { ...one, name: isAmbiguous ? `${one.run.name} (${one.run.id})` : one.run.name };
    });
  });
  isLoading = $derived(this.error === undefined && this.runs.length < this.ids.length);
  hasActive = $derived(this.runs.some(({ run }) => activeStates.includes(run.state)));

  constructor(service: Parameters<typeof loadRun>[0], ids: readonly string[]) {
    this.#service = service;
    for (const id of ids) this.add(id);
  }

  /** Loads a run and compares it with the others, unless there are as many as there are colours. */
  add(id: string): void {
    if (this.ids.includes(id) || this.ids.length >= maxComparedRuns) return;
    const taken = this.ids.map((other) => this.#slots[other]);
    const slots = Array.from({ length: maxComparedRuns }, (_, i) => i);
    this.#slots[id] = slots.find((slot) => !taken.includes(slot))!;
    this.ids = [...this.ids, id];
    void this.#load([id]);
  }

  remove(id: string): void {
    this.ids = this.ids.filter((other) => other !== id);
  }

  /** Reads again the runs that still train. */
  async refresh(): Promise<void> {
    await this.#load(this.runs.filter(({ run }) => activeStates.includes(run.state)).map(({ id }) => id));
  }

  async #load(ids: readonly string[]): Promise<void> {
    try {
      const loaded = await Promise.all(
        ids.map(async (id) => [id, await loadRun(this.#service, id)] as const),
      );
      for (const [id, run] of loaded) this.#loaded.set(id, run);
      this.error = undefined;
    } catch (thrown) {
      this.error = toErrorData(thrown);
    }
  }
}
