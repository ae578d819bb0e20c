import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import {
  copyAuxiliaryFiles,
  listAuxiliaryFiles,
} from '../../../src-main/store/checkpoint/auxiliary-files.ts';
import { mendGenerationConfig } from '../../../src-main/store/checkpoint/generation-config.ts';
import { freshFolder } from '../../support/temporary.ts';

/** Generation configs, and the keys that transformers names when it refuses to save them. */
const { cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/transformers/generation.json'), 'utf8'),
) as { cases: { config: JsonObject; removed: string[] }[] };

describe('mendGenerationConfig', () => {
  it.each(cases.map((one) => [JSON.stringify(one.config), one] as const))(
    'removes from %s what transformers refuses to save',
    (_, { config, removed }) => {
      const mended = mendGenerationConfig(config);
      const left = Object.keys(config).filter((key) => !removed.includes(key));
      expect(Object.keys(mended.config)).toEqual(left);
      expect(mended.notes).toHaveLength(removed.length);
      for (const key of removed)
        expect(mended.notes.some((note) => note.startsWith(`generation_config.json: ${key} `))).toBe(true);
    },
  );
});

describe('copyAuxiliaryFiles', () => {
  async function copy(text: string): Promise<{ notes: readonly string[]; copied: string | undefined }> {
    const [source, target] = [freshFolder(), freshFolder()];
    writeFileSync(join(source, 'generation_config.json'), text);
    writeFileSync(join(source, 'tokenizer.json'), '{ }\n');
    const notes = await copyAuxiliaryFiles(await listAuxiliaryFiles(source), target);
    expect(readFileSync(join(target, 'tokenizer.json'), 'utf8')).toBe('{ }\n');
    const read = (): string => readFileSync(join(target, 'generation_config.json'), 'utf8');
    return {
      notes,
      copied: await Promise.resolve()
        .then(read)
        .catch(() => undefined),
    };
  }

  it('copies a valid generation config byte for byte', async () => {
    const text = '{"do_sample": true,   "temperature": 0.6}';
    expect(await copy(text)).toEqual({ notes: [], copied: text });
  });

  it('mends one that transformers refuses to save', async () => {
    const { notes, copied } = await copy('{"temperature": 0.6, "eos_token_id": [1, 2]}');
    expect(JSON.parse(copied!)).toEqual({ eos_token_id: [1, 2] });
    expect(notes).toEqual([
      'generation_config.json: temperature 0.6 was removed: it has no effect without do_sample',
    ]);
  });

  it.each(['{', '[]', ''])('leaves out one that is no JSON object: %j', async (text) => {
    const { notes, copied } = await copy(text);
    expect(copied).toBeUndefined();
    expect(notes).toEqual(['generation_config.json holds no JSON object and was not copied']);
  });
});
