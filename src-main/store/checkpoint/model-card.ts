/**
 * @file README.md of a checkpoint that Cambium wrote: the YAML that the Hugging Face Hub reads, and what was
 * done in words.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the card says. `facts` are lines of a table. */
export interface ModelCard {
  /** One paragraph: what this model is and how it came to be. */
  readonly summary: string;
  /** The source: its name on the Hub, or its folder's name. */
  readonly base: string;
  readonly tags: readonly string[];
  readonly license?: License;
  readonly datasets?: readonly string[];
  readonly facts: readonly (readonly [what: string, value: string])[];
  readonly limits: readonly string[];
  /** What reads it; transformers when absent. */
  readonly library?: string;
  /** Grams of carbon dioxide that the training emitted, and how that is known. */
  readonly emissions?: { readonly grams: number; readonly source: string };
  /** Parts after the table, as Markdown. */
  readonly sections?: readonly { readonly title: string; readonly text: string }[];
}
export interface License {
  readonly id: string;
  readonly name?: string;
  readonly link?: string;
}

const quoted = (text: string): string => (/^[\w][\w./-]*$/.test(text) ? text : JSON.stringify(text));
const listed = (key: string, values: readonly string[]): readonly string[] =>
  values.length > 0 ? [`${key}:`, ...values.map((value) => `- ${quoted(value)}`)] : [];
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The card as Markdown. */
export function modelCard(card: ModelCard, title: string): string {
  const yaml = [
    ...(card.license
      ? [
          `license: ${quoted(card.license.id)}`,
          ...(card.license.name === undefined ? [] : [`license_name: ${quoted(card.license.name)}`]),
          ...(card.license.link === undefined ? [] : [`license_link: ${quoted(card.license.link)}`]),
        ]
      : []),
    `library_name: ${quoted(card.library ?? 'transformers')}`,
    'pipeline_tag: text-generation',
    `base_model: ${quoted(card.base)}`,
    'base_model_relation: finetune',
    ...listed('tags', ['model-growth', 'cambium', ...card.tags]),
    ...listed('datasets', card.datasets ?? []),
    ...(card.emissions
      ? [
          'co2_eq_emissions:',
          `  emissions: ${card.emissions.grams.toPrecision(3)}`,
          `  source: ${quoted(card.emissions.source)}`,
          '  training_type: fine-tuning',
        ]
      : []),
  ];
  const facts =
    card.facts.length > 0
      ? ['', '| | |', '|---|---|', ...card.facts.map(([what, value]) => `| ${cell(what)} | ${cell(value)} |`)]
      : [];
  const limits =
    card.limits.length > 0 ? ['', '## Limits', '', ...card.limits.map((limit) => `- ${limit}`)] : [];
  return [
    '---',
    ...yaml,
    '---',
    '',
    `# ${title}`,
    '',
    card.summary,
    ...facts,
    ...(card.sections ?? []).flatMap(({ title: heading, text }) => ['', `## ${heading}`, '', text]),
    ...limits,
    '',
  ].join('\n');
}

/** The licence that a folder's own README.md states in its YAML; nothing when it states none. */
export async function licenseOf(dir: string): Promise<License | undefined> {
  const text = await readFile(join(dir, 'README.md'), 'utf8').catch(() => '');
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? '';
  const said = (key: string): string | undefined =>
    new RegExp(`^${key}:[ \\t]*["']?([^"'\\r\\n]+?)["']?[ \\t]*$`, 'm').exec(yaml)?.[1];
  const id = said('license');
  const name = said('license_name');
  const link = said('license_link');
  return id === undefined
    ? undefined
    : { id, ...(name === undefined ? {} : { name }), ...(link === undefined ? {} : { link }) };
}
