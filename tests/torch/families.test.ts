/** @file The trainer loads every family that transformers and PyTorch can train, and computes its loss. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../../src-main/launch/commands.ts';
import { findTrainer } from '../../src-main/launch/python.ts';
import { describeWork } from '../../src-main/launch/work/work-folder.ts';
import { writeWork } from '../../src-main/launch/work/write-work.ts';
import { families } from '../../src-main/model/families/index.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { tokenizeFiles } from '../../src-main/store/data/tokenize.ts';
import { openHome } from '../../src-main/store/home/home.ts';
import { readRun } from '../../src-main/store/run/runs.ts';
import { partsOf } from '../../src-main/train/batches.ts';
import { launchDefaults } from '../../src-main/train/launch.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { lossesOf, textFile, trainRun } from '../engine/train/train-run.ts';
import { freePath } from '../support/temporary.ts';
import { makeTinyCheckpoint } from '../support/tiny.ts';
import { createRunWith, describeTorch, python } from './torch-run.ts';

const trained = [...families.values()].filter((family) => !family.mixture);
const settings: Partial<TrainingSettings> = { tokens: 2 * 16, contextLength: 16, microBatch: 2 };
/** From a checkpoint, and from random weights, which both engines draw alike. */
const inits = ['checkpoint', 'random'] as const;

/** Writes the work folder of a run that has not begun. */
async function createWork(dir: string): Promise<string> {
  const run = await readRun(dir);
  const base = await openCheckpoint(run.checkpoint);
  const { folders, tokens } = await tokenizeFiles({
    data: run.data,
    field: undefined,
    tokenizerDir: base.dir,
    vocabSize: base.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  const { heldOut, contextLength } = run.settings;
  const work = freePath('work');
  const described = await describeWork({
    run,
    launch: { ...launchDefaults, processes: 1 },
    base,
    hasStep: false,
    checkpoints: '../checkpoints',
    tokenFolders: folders,
    parts: partsOf([{ tokens, weight: 1 }], heldOut, contextLength),
    trainer: findTrainer(),
    activationCheckpointing: 'off',
  });
  await writeWork(work, described);
  return work;
}

describeTorch('the first loss of every family without experts', () => {
  it.each(inits)("is that of Cambium's engine: weights from %s", async (init) => {
    const works: string[] = [];
    const expected: number[] = [];
    for (const { id } of trained) {
      const checkpoint = await makeTinyCheckpoint(id, { tokenizer: true });
      const dir = await createRunWith(null, { checkpoint, data: [textFile] }, { ...settings, init });
      works.push(await createWork(dir));
      expected.push(lossesOf(await trainRun(dir))[0]!);
    }
    const script = join(import.meta.dirname, 'first_losses.py');
    const { output, errors } = await runCommand([python, script, findTrainer(), ...works]);
    expect(output, errors).not.toBe('');
    const found = JSON.parse(output.trim().split('\n').at(-1)!) as readonly { readonly loss?: number }[];
    const rows = trained.map(({ id }, i) => ({ id, ...found[i]!, expected: expected[i]! }));
    const differs = ({ loss = NaN, expected: loss0 }: (typeof rows)[number]): boolean =>
      !(Math.abs(loss - loss0) < 1e-5 * loss0);
    expect(rows.filter(differs)).toEqual([]);
  });
});
