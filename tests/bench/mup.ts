/**
 * @file Whether the best learning rate stays as the width grows, by µP and in the standard parametrisation: random
 * Llamas of three widths, each trained at a grid of rates on the same batches. Prints the losses and the best rates.
 *
 *     npm run bench:mup -- [--steps 150] [--seeds 1]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';
import { heldOutText } from '../../src-main/engine/train/run-measures.ts';
import { loadModel, randomWeights, type ModelShape } from '../../src-main/engine/model/weights.ts';
import { runTrial, type TrialText } from '../../src-main/engine/tune/trial.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { openTokens, tokenizeFiles } from '../../src-main/store/data/tokenize.ts';
import { partsOf } from '../../src-main/train/batches.ts';
import { formatMupBase, mupFactors, mupModelOf } from '../../src-main/train/mup.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { lossOf } from '../../src-main/train/tuning/tuning.ts';
import { toyLines } from '../../src-main/train/toy-corpus.ts';
import { llama } from './cases.ts';

const { values: flags } = parseArgs({
  options: { steps: { type: 'string', default: '150' }, seeds: { type: 'string', default: '1' } },
});
const steps = Number(flags.steps);
const seeds = Number(flags.seeds);

const widths = [64, 128, 256];
const headDim = 16;
const rates = [-3, -2, -1, 0, 1, 2, 3, 4].map((power) => 2e-3 * 2 ** power);
const microBatch = 8;
const contextLength = 32;
const vocab = 1024;
const tokenizer = resolve(import.meta.dirname, '../../resources/demo/seedling');

function shapeOf(width: number): ModelShape {
  const heads = width / headDim;
  const sizes = { hidden: width, layers: 2, heads, kvHeads: heads, ffn: 2 * width, vocab, tied: false };
  const config = llama(sizes);
  const family = familyOf(config);
  return { family, dims: dimsOf(family, config), settings: settingsOf(family, config) };
}

async function readText(folder: string): Promise<TrialText> {
  const path = join(folder, 'stories.jsonl');
  writeFileSync(path, [...toyLines(2_000_000, { seed: 1 })].join(''));
  const { folders, tokens: count } = await tokenizeFiles({
    data: [path],
    tokenizerDir: tokenizer,
    vocabSize: vocab,
    cacheDir: join(folder, 'cache'),
  });
  const tokens = await openTokens(folders);
  const parts = partsOf([{ tokens: count, weight: 1 }], 0.05, contextLength);
  return { tokens, parts, heldOut: heldOutText(tokens, parts, contextLength) };
}

interface TrainOptions {
  readonly width: number;
  readonly lr: number;
  readonly seed: number;
  readonly mupBase: string;
}

/** Held-out loss of random weights after training; infinite if it diverged. */
async function train(
  device: Device,
  text: TrialText,
  { width, lr, seed, mupBase }: TrainOptions,
): Promise<number> {
  const shape = shapeOf(width);
  const settings = {
    ...trainingDefaults,
    tokens: steps * microBatch * contextLength,
    microBatch,
    contextLength,
    lr,
    mupBase,
    seed,
    weightDecay: 0,
    warmupSteps: Math.round(steps / 10),
    init: 'random',
    activationCheckpointing: 'off',
  } as const;
  const mup = mupModelOf(shape, settings);
  const options = mup ? { factors: mupFactors(mup) } : {};
  const loaded = await loadModel(device, shape, randomWeights(shape, seed, mup), options);
  try {
    const trial = { width: 'source', tests: 'lr', values: { lr, weightDecay: 0, warmup: 0.1 } } as const;
    const trials = runTrial(device, loaded, text, { trial, settings, earlier: [] }, () => false);
    let event = await trials.next();
    while (!event.done) event = await trials.next();
    return lossOf(event.value!) ?? Infinity;
  } finally {
    loaded.dispose();
  }
}

/** The rate of the lowest loss: the vertex of the parabola through the lowest point and its neighbours, in log rate. */
function bestRate(losses: readonly number[]): number {
  const i = losses.indexOf(Math.min(...losses));
  const [before, at, after] = [losses[i - 1], losses[i]!, losses[i + 1]];
  if (before === undefined || after === undefined || !Number.isFinite(before + after)) return rates[i]!;
  return rates[i]! * 2 ** ((before - after) / (2 * (before - 2 * at + after)));
}

const folder = mkdtempSync(join(tmpdir(), 'cambium-mup-'));
const device = await openDevice('cpu', { threads: 1 });
try {
  const text = await readText(folder);
  const kinds = { µP: formatMupBase(shapeOf(widths[0]!).dims), standard: 'off' };
  console.log(
    `${steps} steps of ${microBatch * contextLength} tokens, ${seeds} seed(s); rates ${rates.join(', ')}`,
  );
  for (const [kind, mupBase] of Object.entries(kinds)) {
    const best: number[] = [];
    for (const width of widths) {
      const losses: number[] = [];
      for (const lr of rates) {
        let sum = 0;
        for (let seed = 0; seed < seeds; seed++)
          sum += await train(device, text, { width, lr, seed, mupBase });
        losses.push(sum / seeds);
      }
      best.push(bestRate(losses));
      const listed = losses.map((loss) => loss.toFixed(3)).join(' ');
      console.log(`${kind}, ${width} wide: ${listed}; best rate ${best.at(-1)!.toExponential(2)}`);
    }
    console.log(
      `${kind}: best rates within a factor of ${(Math.max(...best) / Math.min(...best)).toFixed(2)}`,
    );
  }
  text.tokens.close();
} finally {
  await device.dispose();
  rmSync(folder, { recursive: true, force: true });
}
