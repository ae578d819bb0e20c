/**
 * @file docs/families.md: what every method does to every family, measured on tiny random models in the float64
 * reference. `npx vitest run tests/growth/family-table.test.ts -u` writes the file again.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import { methods } from '../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan } from '../../src-main/growth/recipe.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { unsupportedTypes } from '../../src-main/model/families/unsupported.ts';
import { targetSizes } from './methods/target-sizes.ts';
import { exactTolerance, makeRequest, makeTinyModel, maxLogitChange, type TinyModel } from './tiny-model.ts';
import { familyVariants } from './variants/index.ts';

const file = join(import.meta.dirname, '../../docs/families.md');

/** The plan for the first size that the method can reach. */
function firstPlan(source: TinyModel, method: string): GrowthPlan | undefined {
  for (const to of targetSizes[method]!(source)) {
    try {
      return planGrowth(source, makeRequest(method, to));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return undefined;
}

const cells = { 'function-preserving': '=', 'old-logits': 'old', none: '~' } as const;

/** The cell of a method. Fails where a plan promises more than it keeps. */
function describeResult(source: TinyModel, method: string): string {
  const plan = firstPlan(source, method);
  if (!plan) return '';
  const change = maxLogitChange(source, plan);
  expect(Number.isFinite(change)).toBe(true);
  if (plan.promise.kind !== 'none')
    expect(change, `${source.family} by ${method}`).toBeLessThan(exactTolerance);
  return cells[plan.promise.kind];
}

/** A tiny model of each family. */
const modelOf = new Map<string, TinyModel>();
for (const config of Object.values(familyVariants)) {
  const { id } = familyOf(config);
  if (!modelOf.has(id)) modelOf.set(id, makeTinyModel(config));
}

const row = (entries: readonly string[]): string => `| ${entries.join(' | ')} |`;

it('has a tiny model of every family', () => {
  expect([...modelOf.keys()].sort()).toEqual([...families.keys()].sort());
});

it('is what the methods do', async () => {
  const ids = [...methods.keys()];
  const rows = [...families.values()].map(({ id, title, modelTypes }) => {
    const source = modelOf.get(id)!;
    return row([
      title,
      `\`${modelTypes.join('`, `')}\``,
      ...ids.map((method) => describeResult(source, method)),
    ]);
  });
  const refused = Object.entries(unsupportedTypes).map(([type, why]) => row([`\`${type}\``, why]));
  const text = [
    '# Families',
    '',
    '`tests/growth/family-table.test.ts` writes this file. It grows a tiny random model of each family to the first ' +
      'size that a method can reach, and compares logits in float64: `=` computes the same (below 1e-9), `old` keeps ' +
      'the logits of old tokens, `~` is a warm start, and an empty cell is a method that cannot grow the family.',
    '',
    row(['family', '`model_type`', ...ids]),
    row(['---', '---', ...ids.map(() => ':-:')]),
    ...rows,
    '',
    'Of multimodal checkpoints (`gemma3`, `llava`, `llava_next`, `mistral3`, `smolvlm`, `idefics3`, `internvl`, ' +
      '`qwen2_vl`, `qwen2_5_vl`, `qwen3_vl`) the text model is opened as its plain family; the page and the command ' +
      'line say what is left out.',
    '',
    '## Not supported',
    '',
    row(['`model_type`', 'why']),
    row(['---', '---']),
    ...refused,
    '',
  ].join('\n');
  await expect(text).toMatchFileSnapshot(file);
});
