/** @file The training form: settings, files and name of a run that is about to start. */
import type { Option, OptionValue } from '../../src-main/base/option.ts';
import { findPreset, type TrainingPreset } from '../../src-main/train/presets.ts';
import { stepsOf, tokensPerStep } from '../../src-main/train/schedule.ts';
import { settingGroups, type SettingGroup } from '../../src-main/train/setting.ts';
import {
  settingTable,
  trainingDefaults,
  trainingOptions,
  type TrainingSettings,
} from '../../src-main/train/settings.ts';
import { StagesState } from './stages.svelte.ts';

type SettingId = keyof typeof settingTable;

/** Settings that a preset leaves as they are. */
const keptByPresets = ['device', 'contextLength', 'seed', 'prompt'] as const;

export class TrainingState {
  settings = $state<TrainingSettings>({ ...trainingDefaults });
  files = $state<string[]>(['']);
  /** The sampling weight of each file, as typed; empty for 1. */
  weightTexts = $state<string[]>([]);
  name = $state('');
  /** What the run grows into while it trains. */
  readonly stages = new StagesState();
  /** What the form began with: the defaults, with a context length that the model has positions for. */
  readonly initial: TrainingSettings;
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
    this.initial = { ...trainingDefaults, ...changes };
    this.settings = { ...this.initial };
  }

  /** The text as a part of a request. */
  get text(): { data: string[]; weights?: number[] } {
    const { data, weights } = this;
    return { data: [...data], ...(weights ? { weights: [...weights] } : {}) };
  }

  /** The preset whose settings these are; undefined if there is none. */
  get preset(): TrainingPreset | undefined {
    return findPreset(this.settings, this.initial, keptByPresets);
  }

  setSetting(id: string, value: OptionValue): void {
    this.settings = { ...this.settings, [id]: value };
  }

  usePreset({ changes }: TrainingPreset): void {
    const kept = Object.fromEntries(keptByPresets.map((id) => [id, this.settings[id]]));
    this.settings = { ...this.initial, ...changes, ...kept };
  }

  isChanged(id: string): boolean {
    return this.settings[id as SettingId] !== this.initial[id as SettingId];
  }
}

/** A part of the form: the settings that are shown first, or the rest of a group. */
export interface FormSection {
  readonly id: SettingGroup | 'basics';
  readonly label: string;
  readonly options: readonly Option[];
}

/** The sections of the form, in order. `positions`, if known, is the longest context length of the model. */
export function formSections(positions: number): readonly FormSection[] {
  const options = trainingOptions.map((option): Option => {
    if (option.id !== 'contextLength' || option.kind !== 'number') return option;
    return {
      ...option,
      max: Math.min(option.max, positions),
      default: Math.min(Number(option.default), positions),
    };
  });
  const isBasic = ({ id }: Option): boolean => settingTable[id as SettingId].isEssential === true;
  const groups = (Object.keys(settingGroups) as SettingGroup[]).map((id) => ({
    id,
    label: settingGroups[id],
    options: options.filter(
      (option) => settingTable[option.id as SettingId].group === id && !isBasic(option),
    ),
  }));
  return [{ id: 'basics' as const, label: 'Basics', options: options.filter(isBasic) }, ...groups].filter(
    (section) => section.options.length > 0,
  );
}

/** The sections with the options that contain every word of `query`. */
export function filterSections(sections: readonly FormSection[], query: string): readonly FormSection[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return sections
    .map((section) => ({
      ...section,
      options: section.options.filter(({ id, label, help }) => {
        const searched = `${section.label} ${id} ${label} ${help}`.toLowerCase();
        return words.every((word) => searched.includes(word));
      }),
    }))
    .filter(({ options }) => options.length > 0);
}
