/**
 * @file Checkpoints whose files differ from what transformers writes today are read as transformers reads them:
 * tests/parity/make-unusual-golden.py.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { createCheckpointWriter } from '../../../src-main/store/checkpoint/checkpoint-writer.ts';
import { checkpointLogits } from '../../support/checkpoint-logits.ts';
import '../../support/close.ts';
import { freePath } from '../../support/temporary.ts';

const root = join(import.meta.dirname, '../../fixtures/unusual');

interface Expected {
  readonly ids: readonly number[];
  readonly logits: readonly number[];
  readonly tied: boolean;
}

/** Cases that need no note: the names of weights may have any of the styles. */
const isPlain = (name: string): boolean =>
  /names|prefix|head-name|copied|rotary|masks|theta-in|factor/.test(name);

describe.each(readdirSync(root))('%s', (name) => {
  const dir = join(root, name);
  const { ids, logits, tied } = JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')) as Expected;

  it('has the logits of transformers', async () => {
    const checkpoint = await openCheckpoint(dir);
    expect(await checkpointLogits(checkpoint, ids)).toBeClose(logits, 'float32');
    expect(checkpoint.summary.tied).toBe(tied);
  });

  it('says how it was read', async () => {
    const { notes, ignored } = (await openCheckpoint(dir)).summary;
    if (!isPlain(name)) expect(notes).not.toEqual([]);
    expect(ignored!.length > 0).toBe(/rotary$|masks|multimodal/.test(name));
  });

  it('is written with one meaning, and has the same logits then', async () => {
    const source = await openCheckpoint(dir);
    const target = freePath('written');
    const { family, nameStyle, config, summary } = source;
    const writer = await createCheckpointWriter({
      target,
      family,
      nameStyle,
      config,
      tensors: summary.tensors,
    });
    for (const weight of writer.order) await writer.write(weight, await readTensor(source, weight));
    await writer.finish();
    const written = await openCheckpoint(target);
    expect([written.summary.notes, written.summary.ignored]).toEqual([[], []]);
    expect(await checkpointLogits(written, ids)).toEqual(await checkpointLogits(source, ids));
  });
});
