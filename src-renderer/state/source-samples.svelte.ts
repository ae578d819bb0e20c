/** @file Samples of the models that a run comes from, with the prompt, seed and sampling of the run. */
import type { Lineage } from '../../src-main/contract/lineage.ts';
import type { Service } from '../../src-main/contract/service.ts';
import { runSampling } from '../../src-main/train/run-sample.ts';
import { SvelteMap } from 'svelte/reactivity';
import { baseName } from '../format.ts';
import { StreamTask } from './stream-task.svelte.ts';
import type { SampleEvent } from '../../src-main/contract/schema.ts';

export interface SourceModel {
  readonly dir: string;
  readonly label: string;
}

/** The checkpoint of a run, then the models that it was grown from, the nearest first. */
export function listSources(checkpoint: string, { edges }: Pick<Lineage, 'edges'>): readonly SourceModel[] {
  const dirs = [checkpoint];
  for (;;) {
    const edge = edges.find(({ kind, to }) => kind === 'grown' && to === dirs.at(-1));
    if (!edge || dirs.includes(edge.from)) break;
    dirs.push(edge.from);
  }
  const what = ['the start of this run', 'the source'];
  return dirs.map((dir, i) => ({ dir, label: `${baseName(dir)}, ${what[i] ?? 'an earlier source'}` }));
}

/** The number of letters that both texts begin with, up to the end of a word. */
export function sharedPrefix(a: string, b: string): number {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++;
  if (length === a.length && length === b.length) return length;
  while (length > 0 && /\S/.test(a[length - 1]!) && /\S/.test((a[length] ?? '') + (b[length] ?? '')))
    length--;
  return length;
}

export class SourceSamples {
  readonly task = new StreamTask<SampleEvent>();
  readonly #service: Pick<Service, 'sample'>;
  readonly #texts = new SvelteMap<string, string>();

  constructor(service: Pick<Service, 'sample'>) {
    this.#service = service;
  }

  /** What a model wrote after a prompt; undefined until it was asked to. */
  textOf(dir: string, prompt: string, seed: number): string | undefined {
    return this.#texts.get(keyOf(dir, prompt, seed));
  }

  async generate(dir: string, prompt: string, seed: number): Promise<void> {
    const key = keyOf(dir, prompt, seed);
    let text = '';
    await this.task.run(
      (signal) => this.#service.sample({ from: dir, prompt, seed, device: 'auto', ...runSampling }, signal),
      (event) => {
        if (event.type !== 'text') return;
        text += event.text;
        this.#texts.set(key, text);
      },
    );
    if (this.task.error) this.#texts.delete(key);
  }
}

const keyOf = (dir: string, prompt: string, seed: number): string => JSON.stringify([dir, prompt, seed]);
