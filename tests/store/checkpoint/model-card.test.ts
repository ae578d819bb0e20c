import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  formatModelCard,
  readSourceCard,
  type ModelCard,
} from '../../../src-main/store/checkpoint/model-card.ts';
import { freshFolder } from '../../support/temporary.ts';

const minimal: ModelCard = { summary: 'A model.', tags: [], facts: [], limitations: [] };

/** The metadata of a card, as the Hub reads it. */
const metadataOf = (card: Partial<ModelCard>): Record<string, unknown> => {
  const text = formatModelCard({ ...minimal, ...card }, 'oak');
  return parse(/^---\n([\s\S]*?)\n---\n\n# oak\n/.exec(text)![1]!) as Record<string, unknown>;
};

describe('formatModelCard', () => {
  it('has the metadata of the Hub, without keys that nothing is known for', () => {
    expect(metadataOf({})).toEqual({
      library_name: 'transformers',
      pipeline_tag: 'text-generation',
      tags: ['model-growth', 'cambium'],
    });
  });

  it('names languages, licence, base model and data', () => {
    const license = { ids: ['other'], name: 'no', link: 'https://example.org/#a' };
    const card = { license, languages: ['no', 'en'], baseModel: 'on', datasets: ['2024-01-01'] };
    expect(metadataOf(card)).toMatchObject({
      language: ['no', 'en'],
      license: 'other',
      license_name: 'no',
      license_link: 'https://example.org/#a',
      base_model: 'on',
      base_model_relation: 'finetune',
      datasets: ['2024-01-01'],
    });
    expect(metadataOf({ languages: ['no'], license: { ids: ['mit', 'apache-2.0'] } })).toMatchObject({
      language: 'no',
      license: ['mit', 'apache-2.0'],
    });
  });

  it('lists what was measured as a model-index', () => {
    expect(metadataOf({ results: [{ text: 'held-out part of story.txt', loss: 2 }] })['model-index']).toEqual(
      [
        {
          name: 'oak',
          results: [
            {
              task: { type: 'text-generation', name: 'Text Generation' },
              dataset: { name: 'held-out part of story.txt', type: 'text' },
              metrics: [
                { type: 'loss', name: 'Loss in nats per token', value: 2 },
                { type: 'perplexity', name: 'Perplexity', value: 7.38906 },
              ],
            },
          ],
        },
      ],
    );
  });
});

describe('readSourceCard', () => {
  const read = (readme: string): ReturnType<typeof readSourceCard> => {
    const dir = freshFolder();
    writeFileSync(join(dir, 'README.md'), readme);
    return readSourceCard(dir);
  };

  it('reads licence and languages', async () => {
    const readme = '---\nlicense: other # see below\nlicense_name: no\nlanguage: [en, no]\n---\n# Title\n';
    expect(await read(readme)).toEqual({
      isReadable: true,
      license: { ids: ['other'], name: 'no' },
      languages: ['en', 'no'],
    });
  });

  it('has nothing to inherit without metadata or without a file', async () => {
    expect(await read('# Title\nlicense: mit\n')).toEqual({ isReadable: true });
    expect(await readSourceCard(freshFolder())).toEqual({ isReadable: true });
  });

  it('says that damaged metadata cannot be read', async () => {
    expect(await read('---\nlicense: [mit\n---\n')).toEqual({ isReadable: false });
  });
});
