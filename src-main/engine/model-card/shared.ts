/** @file What all model cards have in common: the licence, the lineage and the record of the growth. */
import { basename } from 'node:path';
import { formatInteger, formatNumber } from '../../base/format.ts';
import { describeCertificate, describePerplexity } from '../../growth/certificate-words.ts';
import { formatRecord, growthRecordFile } from '../../model/records.ts';
import type { Certificate } from '../../model/certificate.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { readSourceCard, type Inherited, type ModelCard } from '../../store/checkpoint/model-card.ts';

/** A model card and the files that are published with it: records and drawings, by name. */
export interface ModelCardFiles {
  readonly card: ModelCard;
  readonly files: Readonly<Record<string, string>>;
}

export type CardSection = NonNullable<ModelCard['sections']>[number];
export type CardFact = ModelCard['facts'][number];

/** Title of the section about GGUF, which an ONNX folder does not have. */
export const ggufTitle = 'GGUF';

const limitations = ['This model has the limitations and the licence of the model it was made from.'];

/** Returns the licence and the languages that the model card in `dir` states, and the limits of the new model. */
export async function inheritFrom(dir: string): Promise<Inherited & Pick<ModelCard, 'limitations'>> {
  const { isReadable, ...inherited } = await readSourceCard(dir);
  if (isReadable) return { ...inherited, limitations };
  const unread = `The metadata of the README.md of ${basename(dir)} is not valid YAML: its licence was not taken over.`;
  return { ...inherited, limitations: [...limitations, unread] };
}

/** Returns the methods a checkpoint was grown by, as tags. */
export const listMethodTags = ({ growth }: Checkpoint): readonly string[] =>
  growth ? [...new Set(growth.method.split(' + '))] : [];

/** Returns growth.json for a model that was made from a grown checkpoint. */
export const createGrowthRecordFiles = ({ growth }: Checkpoint): ModelCardFiles['files'] =>
  growth ? { [growthRecordFile]: formatRecord(growth) } : {};

/** Lists the steps that led to the model, oldest first. `training` is one more step after the checkpoint. */
export function createLineageSection({ growth, summary }: Checkpoint, training?: string): CardSection {
  const steps = growth
    ? [`\`${basename(growth.source)}\``, `Grown with ${growth.method}. ${describeResult(growth.certificate)}`]
    : [`\`${summary.name}\``];
  if (training !== undefined) steps.push(training);
  return { title: 'Lineage', text: steps.map((step, i) => `${i + 1}. ${step}`).join('\n') };
}

function describeResult(certificate: Certificate | null): string {
  if (!certificate) return 'Not certified.';
  const { title, explanation } = describeCertificate(certificate);
  return `${title}. ${explanation} Text: ${certificate.text}; device: ${certificate.device}.`;
}

/** `largest logit difference 1.20e-6, perplexity 79.69 → 79.69 over 256 tokens`. */
export const describeDifference = (certificate: Certificate): string =>
  [
    `largest logit difference ${formatNumber(certificate.maxLogit)}`,
    `${describePerplexity(certificate)} over ${formatInteger(certificate.tokens)} tokens`,
  ].join(', ');
