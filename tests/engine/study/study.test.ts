/** `npm run study` at a size of a few seconds: the same code as for its scales, for the main pair. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openTokenizer as openTextTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { toyLines } from '../../../src-main/train/toy-corpus.ts';
import { trainBpe, writeTokenizer } from '../../study/bpe.ts';
import { openOwnText, type Corpus } from '../../study/corpus.ts';
import { lossAt, reach } from '../../study/findings.ts';
import { Lab, readResults, type Result, type StudyText } from '../../study/lab.ts';
import { describePlan, planStudy } from '../../study/plan.ts';
import { writeReport } from '../../study/report.ts';
import { scales, type Scale } from '../../study/scales.ts';
import { randomTarget, runStudy, sourceName } from '../../study/study.ts';
import { openText, openTokenizer } from '../../study/text.ts';
import { freshFolder } from '../../support/temporary.ts';

const tokensPerStep = 4 * 32;
const scale: Scale = {
  id: 'tiny',
  vocab: 300,
  headDim: 8,
  source: { hidden: 16, layers: 1, ffn: 24 },
  experts: 2,
  tokens: 20 * tokensPerStep,
  longest: 2,
  plateau: 1e-9,
  sourceTokens: 96 * tokensPerStep,
  rates: [2e-2],
  grownRates: [1e-2],
  longRates: [1],
  furtherRates: 0,
  seeds: [0],
  windows: 16,
  settings: { microBatch: 4, gradAccum: 1, contextLength: 32, precision: 'float32', warmupSteps: 4 },
  tokenizerBytes: 50_000,
  usesPackages: false,
};

describe('the tokenizer', () => {
  it('merges the most frequent pair first, and its file gives every text back', async () => {
    const bpe = trainBpe(['low low low lower newest newest widest', 'naïve — 東京 '], 270);
    expect(bpe.vocabulary.length).toBe(270);
    expect(bpe.merges[0]).toEqual(['l', 'o']);
    const dir = freshFolder();
    writeTokenizer(bpe, dir, 64);
    const tokenizer = await openTextTokenizer(dir);
    for (const text of ["  it's 42,\n\n naïve?", 'low 東京 🌱', '']) {
      const ids = [...(await tokenizer.encode(text))];
      expect(await tokenizer.decode(ids)).toBe(text);
    }
  });

  it('refuses a size that the text does not have', () => {
    expect(() => trainBpe(['aa'], 300)).toThrow('The text has only 258 tokens, not 300.');
  });
});

describe('the findings', () => {
  const ends = [
    { x: 100, loss: 4 },
    { x: 400, loss: 3 },
  ];

  it('interpolates in the logarithm, and claims nothing outside of the measured runs', () => {
    expect(lossAt(ends, 200)).toBeCloseTo(3.5, 12);
    expect(lossAt(ends, 99)).toBeUndefined();
    expect(lossAt(ends, 401)).toBeUndefined();
    expect(reach(ends, 3.5)).toEqual({ kind: 'at', x: 200 });
    expect(reach(ends, 4.5)).toEqual({ kind: 'below', x: 100 });
    expect(reach(ends, 2.9)).toEqual({ kind: 'above', x: 400 });
  });
});

describe('a study', () => {
  const dir = freshFolder();
  const lines: string[] = [];
  let corpus: Corpus;
  let text: StudyText;
  const run = async (): Promise<readonly Result[]> => {
    lines.length = 0;
    const lab = new Lab({
      scale: scale.id,
      dir,
      text,
      windows: scale.windows,
      log: (line) => lines.push(line),
    });
    await runStudy({ scale, lab, text, device: 'cpu', threads: 1, isMainPairAlone: true });
    return readResults(dir);
  };
  let results: readonly Result[];

  beforeAll(async () => {
    process.env['CAMBIUM_HOME'] = join(dir, 'home');
    const own = join(dir, 'text');
    mkdirSync(own);
    writeFileSync(join(own, 'stories.jsonl'), [...toyLines(300_000, { seed: 1 })].join(''));
    corpus = await openOwnText(join(dir, 'corpus'), own);
    await openTokenizer(join(dir, 'tokenizer'), corpus, scale);
    text = await openText(corpus, join(dir, 'tokenizer'), scale);
    results = await run();
  }, 180_000);

  it('holds out whole documents that are not trained on', () => {
    const documentsIn = (file: string): ReadonlySet<string> =>
      new Set(readFileSync(file, 'utf8').split('\n').filter(Boolean));
    const train = documentsIn(corpus.trainFile);
    const heldOut = documentsIn(corpus.heldOutFile);
    expect(heldOut.size).toBe(corpus.heldOut.documents);
    expect([...heldOut].filter((line) => train.has(line))).toEqual([]);
    expect(text.heldOut).toBeLessThan(0.1);
  });

  it('trains the source until it is flat or has its most tokens, then decays', () => {
    const source = results.find(({ start }) => start === sourceName)!;
    expect(source.isFlat).toBe(false);
    expect(source.tokens).toBe(scale.sourceTokens / 0.8);
    expect(source.slope!.fall).toBeGreaterThan(0);
  });

  it('gives random weights more tokens until they reach the grown model', () => {
    const clone = results.find(({ start }) => start === 'hypercloning')!;
    const random = results.filter(({ start }) => start === randomTarget).sort((a, b) => a.tokens - b.tokens);
    expect(random.map(({ tokens }) => tokens / scale.tokens)).toEqual([1, 2]);
    expect(clone.parameters).toBe(random[0]!.parameters);
    expect(clone.curve[0]!.loss).toBeLessThan(random[0]!.curve[0]!.loss);
  });

  it('stays within its plan', () => {
    const planned = new Map(planStudy(scale).map((runs) => [runs.name, runs]));
    for (const result of results) {
      const { parameters, tokens, flops } = planned.get(result.start.split(',')[0]!)!;
      expect(result.parameters).toBe(parameters);
      expect(result.flops / result.tokens).toBeCloseTo(flops[1] / tokens[1], 3);
    }
  });

  it('goes on after an interruption, with the same results', async () => {
    await run();
    expect(lines).toEqual([]);
    const longest = results
      .filter(({ start }) => start === randomTarget)
      .reduce((a, b) => (b.tokens > a.tokens ? b : a));
    const folder = join(dir, 'results');
    const readResult = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const file = readdirSync(folder).find((name) => readResult(name).includes(`"loss":${longest.loss},`))!;
    rmSync(join(folder, file));
    rmSync(join(dir, 'runs'), { recursive: true });
    mkdirSync(join(dir, 'runs'));
    const again = await run();
    expect(lines.length).toBe(1);
    // From its start this time, not from the end of a shorter run.
    expect(
      again.find(({ start, tokens }) => start === randomTarget && tokens === longest.tokens),
    ).toMatchObject({
      loss: longest.loss,
      windows: longest.windows,
    });
  });

  it('writes a report that names what has not been run', () => {
    const docs = join(dir, 'docs');
    writeReport({ scale, corpus, bytesPerToken: text.bytesPerToken, results, docs });
    const page = readFileSync(join(docs, 'results.md'), 'utf8');
    expect(page).toContain('**Not run yet**');
    expect(page).toContain('its curve was not flat yet');
    for (const [, image] of page.matchAll(/\((images\/[^)]+)\)/g))
      expect(readFileSync(join(docs, image!), 'utf8')).toMatch(/^<svg /);
  });
});

describe.each(Object.values(scales))('the plan of scale $id', (known) => {
  it('lists every start with its tokens and the time on a device', () => {
    const plan = describePlan(known, known.settings.precision === 'bfloat16' ? 'h100-sxm' : 'xeon-avx512');
    for (const name of ['source', 'hypercloning', randomTarget, 'three stages'])
      expect(plan).toContain(`  ${name} `);
    expect(plan).toContain('in all:');
    expect(() => describePlan(known, 'abacus')).toThrow('--on abacus: choose');
  });
});
