/** @file What the forms share that train a checkpoint: the opened checkpoint, its settings, and its text. */
import type { CheckpointSummary } from '../../src-main/contract/schema.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import type { PreviewEvent } from '../../src-main/contract/text.ts';
import { AsyncTask } from './async-task.svelte.ts';
import type { Session } from './session.svelte.ts';
import { TrainingState } from './training.svelte.ts';

export interface PreviewSource {
  readonly data: readonly string[];
  readonly weights?: readonly number[] | undefined;
}
/** Reads what training would read of a text. */
export type Previewer = (source: PreviewSource, signal: AbortSignal) => AsyncIterable<PreviewEvent>;

export class TrainingForm {
  readonly dir: string;
  readonly opening = new AsyncTask<CheckpointSummary>();
  readonly #service: Session['service'];
  /** The settings; undefined until the checkpoint is open. */
  training = $state.raw<TrainingState>();
  /** The longest context length of the model. */
  positions = $state(Infinity);

  constructor({ service }: Pick<Session, 'service'>, dir: string) {
    this.#service = service;
    this.dir = dir;
  }

  /** Opens the checkpoint. The form begins with `draft`, or with the defaults and `changes`. */
  async open(
    changes: Partial<TrainingSettings> = {},
    draft?: TrainingState,
  ): Promise<CheckpointSummary | undefined> {
    const checkpoint = await this.opening.run(() => this.#service.openCheckpoint({ dir: this.dir }));
    if (!checkpoint) return undefined;
    const { dims, settings } = checkpoint;
    this.positions = Number(dims['positions'] ?? settings['positions'] ?? Infinity);
    const contextLength = Math.max(2, Math.min(trainingDefaults.contextLength, this.positions));
    this.training = draft ?? new TrainingState({ contextLength, ...changes });
    return checkpoint;
  }

  readonly preview: Previewer = ({ data, weights }, signal) =>
    this.#service.previewText(
      { checkpoint: this.dir, data: [...data], ...(weights ? { weights: [...weights] } : {}) },
      signal,
    );
  readonly writeExample = async (): Promise<string> => (await this.#service.exampleText({})).path;
}
