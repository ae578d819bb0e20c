/** @file Formats the model card (README.md) of a checkpoint: metadata in YAML for the Hub, then Markdown. */
import { readInside } from '../fs/inside.ts';
import { formatFrontMatter, readFrontMatter, toTexts, type Metadata } from './front-matter.ts';

export interface ModelCard extends Inherited {
  /** One paragraph: what the model is and how it was made. */
  readonly summary: string;
  /** The model whose weights it started from: a name on the Hub, or a folder name. Absent: random weights. */
  readonly baseModel?: string;
  readonly tags: readonly string[];
  readonly datasets?: readonly string[];
  /** Rows of a table. */
  readonly facts: readonly (readonly [what: string, value: string])[];
  readonly limitations: readonly string[];
  /** The library that loads the model; default transformers. */
  readonly library?: string;
  /** Grams of CO2 equivalent that training emitted, and how they were estimated. */
  readonly emissions?: { readonly grams: number; readonly source: string };
  /** What was measured, for the model-index of the metadata. */
  readonly results?: readonly EvaluationResult[];
  /** Sections after the table, as Markdown. */
  readonly sections?: readonly { readonly title: string; readonly text: string }[];
}

/** What a model card takes over from the card of its source. */
export interface Inherited {
  readonly license?: License;
  /** Codes of ISO 639, or `multilingual` and the like. */
  readonly languages?: readonly string[];
}

export interface License {
  /** Identifiers of the Hub. A card rarely has more than one. */
  readonly ids: readonly string[];
  readonly name?: string;
  readonly link?: string;
}

/** The losses on one text. */
export interface EvaluationResult {
  /** What the text is, such as `held-out part of story.txt`. */
  readonly text: string;
  /** Mean loss in nats per token. */
  readonly loss: number;
}

const formatCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The model card as Markdown. Metadata: https://huggingface.co/docs/hub/model-cards. */
export function formatModelCard(card: ModelCard, title: string): string {
  const rows = card.facts.map(([what, value]) => `| ${formatCell(what)} | ${formatCell(value)} |`);
  const facts = rows.length > 0 ? ['', '| | |', '|---|---|', ...rows] : [];
  const sections = (card.sections ?? []).flatMap((section) => ['', `## ${section.title}`, '', section.text]);
  const limitations = card.limitations.map((limitation) => `- ${limitation}`);
  return [
    formatFrontMatter(createMetadata(card, title)),
    `# ${title}`,
    '',
    card.summary,
    ...facts,
    ...sections,
    ...(limitations.length > 0 ? ['', '## Limits', '', ...limitations] : []),
    '',
  ].join('\n');
}

const formatList = (texts: readonly string[] = []): string | readonly string[] | undefined =>
  texts.length === 1 ? texts[0] : texts;

/** The metadata of the Hub, in the order of its specification. */
function createMetadata(card: ModelCard, title: string): Metadata {
  const { license, library, baseModel, tags, datasets, emissions, results = [] } = card;
  return {
    language: formatList(card.languages),
    license: formatList(license?.ids),
    license_name: license?.name,
    license_link: license?.link,
    library_name: library ?? 'transformers',
    pipeline_tag: 'text-generation',
    base_model: baseModel,
    base_model_relation: baseModel === undefined ? undefined : 'finetune',
    tags: ['model-growth', 'cambium', ...tags],
    datasets,
    'model-index': results.length > 0 ? [{ name: title, results: results.map(describeResult) }] : undefined,
    co2_eq_emissions: emissions && {
      emissions: Number(emissions.grams.toPrecision(3)),
      source: emissions.source,
      training_type: baseModel === undefined ? 'pre-training' : 'fine-tuning',
    },
  };
}

/** A result of a model-index: https://huggingface.co/docs/hub/model-cards#evaluation-results. */
const describeResult = ({ text, loss }: EvaluationResult): Metadata => ({
  task: { type: 'text-generation', name: 'Text Generation' },
  dataset: { name: text, type: 'text' },
  metrics: [
    { type: 'loss', name: 'Loss in nats per token', value: Number(loss.toFixed(4)) },
    { type: 'perplexity', name: 'Perplexity', value: Number(Math.exp(loss).toPrecision(6)) },
  ],
});

/** What the README.md of a source says, and whether its metadata could be read. */
export interface SourceCard extends Inherited {
  readonly isReadable: boolean;
}

/** Reads what a card inherits from the metadata of a folder's README.md. */
export async function readSourceCard(dir: string): Promise<SourceCard> {
  const metadata = readFrontMatter((await readInside(dir, 'README.md'))?.toString('utf8') ?? '');
  if (!metadata) return { isReadable: false };
  const ids = toTexts(metadata['license']);
  const [name] = toTexts(metadata['license_name']);
  const [link] = toTexts(metadata['license_link']);
  const languages = toTexts(metadata['language']);
  return {
    isReadable: true,
    ...(ids.length === 0
      ? {}
      : {
          license: {
            ids,
            ...(name === undefined ? {} : { name }),
            ...(link === undefined ? {} : { link }),
          },
        }),
    ...(languages.length === 0 ? {} : { languages }),
  };
}
