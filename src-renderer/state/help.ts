/** @file The documentation in the app: its documents, and the sections that explain the settings. */
import type { SettingGroup } from '../../src-main/train/setting.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { linkTo } from './route.svelte.ts';

/** The documents for those who use the app, in the order of the list. */
export const documents = {
  growing: 'Growing a checkpoint',
  bakeoff: 'Bake-off',
  methods: 'Growth methods',
  text: 'Text and tokens',
  training: 'Training',
  runs: 'Runs',
  cost: 'Cost',
  export: 'Export',
  hub: 'The Hub',
  distributed: 'Several devices',
  'remote-hosts': 'Remote hosts',
  glossary: 'Glossary',
} as const;
export type DocumentId = keyof typeof documents;

export const isDocument = (id: string): id is DocumentId => Object.hasOwn(documents, id);

const files = import.meta.glob<string>('../../docs/*.md', { query: '?raw', import: 'default' });

/** The Markdown of a document. */
export const loadDocument = (id: DocumentId): Promise<string> => files[`../../docs/${id}.md`]!();

/** A section of a document, by the anchor of its heading; the whole document without one. */
export interface HelpPlace {
  readonly doc: DocumentId;
  readonly at?: string;
}

export const linkToHelp = ({ doc, at }: HelpPlace): string =>
  linkTo('help', { doc, ...(at === undefined ? {} : { at }) });

/** Where a link of a document leads: to a section, to another site, or, as `undefined`, nowhere in the app. */
export function resolveLink(href: string, from: DocumentId): string | undefined {
  if (/^https?:/.test(href)) return href;
  const [file = '', at] = href.split('#', 2);
  const doc = file === '' ? from : file.replace(/\.md$/, '');
  return isDocument(doc) ? linkToHelp({ doc, ...(at === undefined ? {} : { at }) }) : undefined;
}

const helpOfGroups: Readonly<Record<SettingGroup, HelpPlace>> = {
  length: { doc: 'training', at: 'text' },
  text: { doc: 'training', at: 'text' },
  optimizer: { doc: 'training', at: 'optimizers' },
  schedule: { doc: 'training', at: 'schedules' },
  precision: { doc: 'training', at: 'precision' },
  averaging: { doc: 'training', at: 'averages-of-the-weights' },
  evaluation: { doc: 'runs' },
  safety: { doc: 'training', at: 'safety' },
  budget: { doc: 'cost', at: 'during-a-run' },
};

/** The settings with a section of their own. */
const helpOfSettings: Readonly<Partial<Record<keyof TrainingSettings, HelpPlace>>> = {
  perTensorLr: { doc: 'methods', at: 'learning-rates-and-moments' },
  mupBase: { doc: 'training', at: 'tuning-on-a-small-model' },
  trainable: { doc: 'training', at: 'training-a-part-of-the-weights' },
  unfreezeAt: { doc: 'training', at: 'training-a-part-of-the-weights' },
  activationCheckpointing: { doc: 'training', at: 'memory' },
  device: { doc: 'training', at: 'devices' },
  distillWeight: { doc: 'training', at: 'distillation-from-the-source' },
  distillTemperature: { doc: 'training', at: 'distillation-from-the-source' },
};

export const helpOfGroup = (group: SettingGroup): HelpPlace => helpOfGroups[group];
/** The section about a setting; undefined if that of its group is all there is. */
export const helpOfSetting = (id: string): HelpPlace | undefined =>
  helpOfSettings[id as keyof TrainingSettings];
export const helpPlaces: readonly HelpPlace[] = [
  ...Object.values(helpOfGroups),
  ...Object.values(helpOfSettings),
];
