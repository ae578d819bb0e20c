/** @file The training form: settings, files and name of a run that is about to start. */
import type { OptionValue } from '../../src-main/base/option.ts';
import { stepsOf, tokensPerStep } from '../../src-main/train/schedule.ts';
import {
  settingTable,
  trainingDefaults,
  trainingOptions,
  type TrainingSettings,
} from '../../src-main/train/settings.ts';

export class TrainingState {
  settings = $state<TrainingSettings>({ ...trainingDefaults });
  files = $state<string[]>(['']);
  /** The sampling weight of each file, as typed; empty for 1. */
  weightTexts = $state<string[]>([]);
  name = $state('');
  /** The values of the form's options. */
  values = $derived(
    Object.fromEntries(
      trainingOptions.map(({ id }) => [id, this.settings[id as keyof TrainingSettings] as OptionValue]),
    ),
  );
  tokensPerStep = $derived(tokensPerStep(this.settings));
  steps = $derived(stepsOf(this.settings));
  readonly #texts = $derived(
    this.files
      .map((file, i) => ({ file: file.trim(), weight: (this.weightTexts[i] ?? '').trim() }))
      .filter(({ file }) => file !== ''),
  );
  data = $derived(this.#texts.map(({ file }) => file));
  /** One for each of `data`; undefined if none was given. */
  weights = $derived(
    this.#texts.length > 1 && this.#texts.some(({ weight }) => weight !== '')
      ? this.#texts.map(({ weight }) => (weight === '' ? 1 : Number(weight)))
      : undefined,
  );

  constructor(changes: Partial<TrainingSettings> = {}) {
    this.settings = { ...trainingDefaults, ...changes };
  }

  setSetting(id: string, value: OptionValue): void {
    this.settings = { ...this.settings, [id]: value };
  }
}

const isEssential = (id: string): boolean =>
  settingTable[id as keyof typeof settingTable].isEssential === true;

/** The options that the form shows first. */
export const essentialOptions = trainingOptions.filter(({ id }) => isEssential(id));
export const furtherOptions = trainingOptions.filter(({ id }) => !isEssential(id));
