/** @file Formats the model card (README.md) of a checkpoint: metadata in YAML for the Hub, then Markdown. */
import { readInside } from '../fs/inside.ts';

export interface ModelCard {
  /** One paragraph: what the model is and how it was made. */
  readonly summary: string;
  /** The model whose weights it started from: a name on the Hub, or a folder name. Absent: random weights. */
  readonly baseModel?: string;
  readonly tags: readonly string[];
  readonly license?: License;
  readonly datasets?: readonly string[];
  /** Rows of a table. */
  readonly facts: readonly (readonly [what: string, value: string])[];
  readonly limitations: readonly string[];
  /** The library that loads the model; default transformers. */
  readonly library?: string;
  /** Grams of CO2 equivalent that training emitted, and how they were estimated. */
  readonly emissions?: { readonly grams: number; readonly source: string };
  /** Sections after the table, as Markdown. */
  readonly sections?: readonly { readonly title: string; readonly text: string }[];
}

export interface License {
  readonly id: string;
  readonly name?: string;
  readonly link?: string;
}

const quoteYaml = (text: string): string => (/^[\w][\w./-]*$/.test(text) ? text : JSON.stringify(text));

const formatYamlList = (key: string, values: readonly string[]): readonly string[] =>
  values.length > 0 ? [`${key}:`, ...values.map((value) => `- ${quoteYaml(value)}`)] : [];

const formatCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The model card as Markdown. Metadata: https://huggingface.co/docs/hub/model-cards. */
export function formatModelCard(card: ModelCard, title: string): string {
  const rows = card.facts.map(([what, value]) => `| ${formatCell(what)} | ${formatCell(value)} |`);
  const facts = rows.length > 0 ? ['', '| | |', '|---|---|', ...rows] : [];
  const sections = (card.sections ?? []).flatMap((section) => ['', `## ${section.title}`, '', section.text]);
  const limitations = card.limitations.map((limitation) => `- ${limitation}`);
  return [
    '---',
    ...formatMetadata(card),
    '---',
    '',
    `# ${title}`,
    '',
    card.summary,
    ...facts,
    ...sections,
    ...(limitations.length > 0 ? ['', '## Limits', '', ...limitations] : []),
    '',
  ].join('\n');
}

function formatMetadata({ license, library, baseModel, tags, datasets, emissions }: ModelCard): string[] {
  const lines: string[] = [];
  if (license) {
    lines.push(`license: ${quoteYaml(license.id)}`);
    if (license.name !== undefined) lines.push(`license_name: ${quoteYaml(license.name)}`);
    if (license.link !== undefined) lines.push(`license_link: ${quoteYaml(license.link)}`);
  }
  lines.push(
    `library_name: ${quoteYaml(library ?? 'transformers')}`,
    'pipeline_tag: text-generation',
    ...(baseModel === undefined
      ? []
      : [`base_model: ${quoteYaml(baseModel)}`, 'base_model_relation: finetune']),
    ...formatYamlList('tags', ['model-growth', 'cambium', ...tags]),
    ...formatYamlList('datasets', datasets ?? []),
  );
  if (emissions)
    lines.push(
      'co2_eq_emissions:',
      `  emissions: ${emissions.grams.toPrecision(3)}`,
      `  source: ${quoteYaml(emissions.source)}`,
      `  training_type: ${baseModel === undefined ? 'pre-training' : 'fine-tuning'}`,
    );
  return lines;
}

/** Reads the license from the metadata of a folder's README.md; undefined when there is none. */
export async function readLicense(dir: string): Promise<License | undefined> {
  const text = (await readInside(dir, 'README.md'))?.toString('utf8') ?? '';
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? '';
  const readValue = (key: string): string | undefined =>
    new RegExp(`^${key}:[ \\t]*["']?([^"'\\r\\n]+?)["']?[ \\t]*$`, 'm').exec(yaml)?.[1];
  const id = readValue('license');
  const name = readValue('license_name');
  const link = readValue('license_link');
  if (id === undefined) return undefined;
  return { id, ...(name === undefined ? {} : { name }), ...(link === undefined ? {} : { link }) };
}
