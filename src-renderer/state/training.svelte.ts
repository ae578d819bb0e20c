/** @file A training being asked for: its settings, and what follows from them in steps. */
import type { OptionValue } from '../../src-main/base/option.ts';
import { trainingDefaults, trainingOptions, type TrainingSettings } from '../../src-main/train/settings.ts';

const essential: readonly string[] = ['tokens', 'batch', 'sequence', 'lr', 'schedule', 'start'];

export class TrainingState {
  settings = $state<TrainingSettings>({ ...trainingDefaults });
  files = $state<string[]>(['']);
  /** How often each file is drawn from, as typed; empty for 1. */
  shares = $state<string[]>([]);
  name = $state('');
  /** The settings that have a field of the form. */
  values = $derived(
    Object.fromEntries(
      trainingOptions.map(({ id }) => [id, this.settings[id as keyof TrainingSettings] as OptionValue]),
    ),
  );
  tokensPerStep = $derived(this.settings.batch * this.settings.sequence * this.settings.accumulate);
  steps = $derived(Math.max(1, Math.ceil(this.settings.tokens / this.tokensPerStep)));
  readonly #given = $derived(
    this.files
      .map((file, i) => ({ file: file.trim(), share: (this.shares[i] ?? '').trim() }))
      .filter(({ file }) => file !== ''),
  );
  data = $derived(this.#given.map(({ file }) => file));
  /** One for each of `data` when any was given. */
  weights = $derived(
    this.#given.length > 1 && this.#given.some(({ share }) => share !== '')
      ? this.#given.map(({ share }) => (share === '' ? 1 : Number(share)))
      : undefined,
  );

  constructor(changes: Partial<TrainingSettings> = {}) {
    this.settings = { ...trainingDefaults, ...changes };
  }

  set(id: string, value: OptionValue): void {
    this.settings = { ...this.settings, [id]: value };
  }
}

/** Every setting with its description: the few that matter most, then the rest. */
export const essentials = trainingOptions.filter((option) => essential.includes(option.id));
export const furtherOptions = trainingOptions.filter((option) => !essential.includes(option.id));
