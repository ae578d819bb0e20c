/** @file The candidates of a bake-off: every method reaches the target, has its budget, or says why it does not. */
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../src-main/base/errors.ts';
import { comparedMethods, planCandidates, type Candidates } from '../../src-main/bakeoff/recipes.ts';
import { makeTinyModel } from '../growth/tiny-model.ts';
import { llama } from '../growth/variants/index.ts';

const source = makeTinyModel({ ...llama, num_hidden_layers: 4 });
const { hidden, ffn } = source.dims as { hidden: number; ffn: number };

const targets = {
  width: { hidden: 2 * hidden, ffn: 2 * ffn },
  depth: { layers: 8 },
  both: { hidden: 2 * hidden, ffn: 2 * ffn, layers: 8 },
};

const plan = (to: Readonly<Record<string, number>>, methods?: readonly string[]): Candidates =>
  planCandidates(source, { to, seed: 3, ...(methods ? { methods } : {}) });

describe.each(Object.entries(targets))('a target of %s', (_, to) => {
  const { grown, leftOut, target } = plan(to);
  const { parameters } = target.plans.at(-1)!;

  it('makes every method a candidate or says why not', () => {
    expect([...grown, ...leftOut].map(({ id }) => id).sort()).toEqual([...comparedMethods].sort());
    for (const { why } of leftOut) expect(why).not.toBe('');
  });

  it('gives candidates that reach it its sizes, and the others at most a quarter more or fewer parameters', () => {
    for (const candidate of grown) {
      const last = candidate.plans.at(-1)!;
      if (candidate.reachesTarget) expect(last.to).toEqual(target.plans.at(-1)!.to);
      const ratio = candidate.parameters / parameters.after;
      expect(Math.max(ratio, 1 / ratio)).toBeLessThanOrEqual(candidate.reachesTarget ? 1 : 1.25 + 1e-9);
    }
    expect(grown.filter(({ reachesTarget }) => reachesTarget).length).toBeGreaterThanOrEqual(3);
  });
});

it('completes a recipe: width by another method for depth methods, new layers for width methods', () => {
  const { grown } = plan(targets.both);
  const methodsOf = (id: string): readonly string[] =>
    grown.find((candidate) => candidate.id === id)!.requests.map(({ method }) => method);
  expect(methodsOf('hypercloning')).toEqual(['hypercloning', 'identity']);
  expect(methodsOf('stack')).toEqual(['hypercloning', 'stack']);
});

it('adds recipes of the user as candidates', () => {
  const recipe = [{ method: 'identity', to: { layers: 6 }, options: {}, seed: 0, dtype: 'keep' as const }];
  const { grown } = planCandidates(source, {
    to: targets.depth,
    methods: ['stack'],
    recipes: [recipe],
    seed: 0,
  });
  expect(grown.map(({ id, reachesTarget }) => [id, reachesTarget])).toEqual([
    ['stack', true],
    ['recipe 1', false],
  ]);
});

describe('refused', () => {
  const codeOf = (work: () => unknown): string => {
    try {
      work();
      return 'no error';
    } catch (error) {
      return (error as AppError).code;
    }
  };
  it.each([
    ['a target that no method reaches', () => plan({ hidden: hidden - 1 }), 'bakeoff/no-candidates'],
    ['another vocabulary', () => plan({ ...targets.width, vocab: 999 }), 'bakeoff/no-candidates'],
    [
      'a recipe with another vocabulary',
      () => {
        const grow = { method: 'vocab', to: { vocab: 64 }, options: {}, seed: 0, dtype: 'keep' as const };
        return planCandidates(source, { to: targets.depth, recipes: [[grow]], seed: 0 });
      },
      'bakeoff/no-candidates',
    ],
    ['a target of the sizes of the source', () => plan({ hidden }), 'bakeoff/no-candidates'],
    ['an unknown method', () => plan(targets.width, ['magic']), 'growth/unknown-method'],
  ])('%s', (_, work, code) => {
    expect(codeOf(work)).toBe(code);
  });
});
