/**
 * @file `npm run study`: does growing pay? Trains a source until its curve is flat, grows it, and gives random weights
 * of the grown size as many tokens as they need to reach the grown model. Writes docs/results.md when all runs are
 * done, and with --report from those that are.
 *
 *     npm run study -- [--scale small|124M] [--plan [--on DEVICE]] [--report] [--text DIR] [--any-version]
 *                      [--device cpu|cuda|webgpu] [--threads N] [--docs DIR]
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { deviceChoices, type DeviceChoice } from '../../src-main/base/device.ts';
import { openCorpus, openOwnText, type Corpus } from './corpus.ts';
import { Lab, readResults } from './lab.ts';
import { describePlan } from './plan.ts';
import { writeReport } from './report.ts';
import { scales, type Scale } from './scales.ts';
import { runStudy } from './study.ts';
import { openText, openTokenizer } from './text.ts';

const { values: flags } = parseArgs({
  options: {
    scale: { type: 'string', default: 'small' },
    plan: { type: 'boolean', default: false },
    on: { type: 'string' },
    report: { type: 'boolean', default: false },
    text: { type: 'string' },
    'any-version': { type: 'boolean', default: false },
    device: { type: 'string' },
    threads: { type: 'string', default: '1' },
    docs: { type: 'string', default: join(import.meta.dirname, '../../docs') },
  },
});

const log = (line: string): void => {
  console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);
};

function findScale(id: string): Scale {
  const scale = scales[id];
  if (!scale) throw new Error(`There is no scale "${id}": choose ${Object.keys(scales).join(' or ')}.`);
  return scale;
}

function findDevice(scale: Scale): DeviceChoice {
  const wanted = flags.device ?? (scale.settings.precision === 'float32' ? 'cpu' : 'cuda');
  const found = deviceChoices.find((choice) => choice === wanted);
  if (!found) throw new Error(`There is no device "${wanted}": choose ${deviceChoices.join(', ')}.`);
  return found;
}

async function openStudyCorpus(scale: Scale, work: string): Promise<Corpus> {
  if (flags.text !== undefined) return openOwnText(join(work, scale.id, 'corpus'), resolve(flags.text));
  const own = join(work, scale.id, 'corpus');
  if (existsSync(join(own, 'corpus.json'))) return openCorpus(own);
  if (!scale.usesPackages)
    throw new Error(
      `The text of Debian's packages is too short for the scale ${scale.id}. Give --text DIR: a folder of .jsonl ` +
        'files with the field "text", such as FineWeb.',
    );
  return openCorpus(join(work, 'corpus'), { anyVersion: flags['any-version'] });
}

async function main(): Promise<void> {
  const scale = findScale(flags.scale);
  if (flags.plan) {
    console.log(
      describePlan(scale, flags.on ?? (scale.settings.precision === 'float32' ? 'xeon-avx512' : 'h100-sxm')),
    );
    return;
  }
  const work = resolve(process.env['CAMBIUM_STUDY_DIR'] ?? join(homedir(), '.cache', 'cambium-study'));
  process.env['CAMBIUM_HOME'] = join(work, 'home');
  const corpus = await openStudyCorpus(scale, work);
  log(`${corpus.train.documents} documents to train on, ${corpus.heldOut.documents} held out`);
  const dir = join(work, scale.id);
  const tokenizer = join(dir, 'tokenizer');
  await openTokenizer(tokenizer, corpus, scale);
  const text = await openText(corpus, tokenizer, scale);
  log(`${text.bytesPerToken.toFixed(2)} bytes per token, ${(text.heldOut * 100).toFixed(2)} % held out`);
  if (!flags.report) {
    const lab = new Lab({ scale: scale.id, dir, text, windows: scale.windows, log });
    await runStudy({ scale, lab, text, device: findDevice(scale), threads: Number(flags.threads) });
  }
  const results = readResults(dir);
  writeReport({ scale, corpus, bytesPerToken: text.bytesPerToken, results, docs: resolve(flags.docs) });
  log(`wrote ${join(resolve(flags.docs), 'results.md')} from ${results.length} runs`);
}

await main();
