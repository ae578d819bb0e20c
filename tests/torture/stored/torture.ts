/** @file Changes the files that Cambium writes for itself, and reads them. */
import { writeFileSync } from 'node:fs';
import { AppError } from '../../../src-main/base/errors.ts';
import type { Torture, TortureOptions, TortureReport } from '../torture.ts';
import { createFormats, readExample, type Format } from './formats.ts';
import { createDice, mutateJson, mutateText, type Dice } from './mutate.ts';

/** Milliseconds that a reader may take. */
const longestRead = 2000;
const noteEvery = 20_000;
const maxFailures = 10;

function mutate(example: string, { form }: Format, dice: Dice): string {
  if (form === 'json') return mutateJson(JSON.parse(example), dice);
  const lines = example.trimEnd().split('\n');
  const mutated = lines.map((line) => (dice.below(3) === 0 ? mutateJson(JSON.parse(line), dice) : line));
  const text = `${mutated.join('\n')}\n`;
  return dice.below(6) === 0 ? mutateText(text, dice) : text;
}

interface Tally {
  accepted: number;
  refused: number;
  readonly failures: string[];
}

async function readMutations(
  name: string,
  format: Format,
  { count, seed, note }: TortureOptions,
): Promise<Tally> {
  const example = readExample(format);
  const tally: Tally = { accepted: 0, refused: 0, failures: [] };
  for (let n = 0; n < count && tally.failures.length < maxFailures; n++) {
    const text = mutate(example, format, createDice(seed, name, n));
    writeFileSync(format.path, text);
    const start = performance.now();
    try {
      await format.read();
      tally.accepted++;
    } catch (error) {
      if (error instanceof AppError && error.code !== 'internal') tally.refused++;
      else
        tally.failures.push(
          `${name}, input ${n} of seed ${seed}: ${(error as Error).stack ?? String(error)}`,
        );
    }
    const elapsed = performance.now() - start;
    // Another process may keep this one waiting: a second look tells.
    if (elapsed > longestRead) {
      const again = performance.now();
      await format.read().catch(() => undefined);
      if (performance.now() - again > longestRead)
        tally.failures.push(`${name}, input ${n} of seed ${seed}: ${elapsed.toFixed(0)} ms`);
    }
    if ((n + 1) % noteEvery === 0) note(`${name}: ${n + 1} inputs`);
  }
  writeFileSync(format.path, example);
  return tally;
}

async function run(options: TortureOptions): Promise<TortureReport> {
  const formats = await createFormats(options.scratch);
  const names = Object.keys(formats).filter(
    (name) => options.only.length === 0 || options.only.includes(name),
  );
  const lines: string[] = [];
  const failures: string[] = [];
  for (const name of names) {
    const tally = await readMutations(name, formats[name]!, options);
    failures.push(...tally.failures);
    lines.push(`${name}: ${tally.accepted} opened, ${tally.refused} refused with a typed error`);
  }
  return { lines, failures };
}

export const stored: Torture = {
  promise: 'A damaged file of Cambium opens, is left out, or is refused with a typed error within 2 s.',
  count: 100_000,
  run,
};
