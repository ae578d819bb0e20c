/** @file Longer position tables by expand: old rows that keep their place, or that spread over the new length. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { listSources, spread } from '../../../src-main/tensor/axis-map.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { familyVariants, gpt2, llama, opt } from '../variants/index.ts';

const withTable = Object.entries(familyVariants).filter(
  ([, config]) => makeTinyModel(config).dims['positions'] !== undefined,
);

describe('a longer position table', () => {
  it.each(withTable)('keeps the logits of %s', (_, config) => {
    const source = makeTinyModel(config);
    for (const more of [1, 5, 40]) {
      const to = { positions: source.dims['positions']! + more };
      const plan = planGrowth(source, makeRequest('expand', to));
      expect(plan.promise.kind).toBe('function-preserving');
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    }
  });

  it('grows together with the width', () => {
    const source = makeTinyModel(gpt2);
    const plan = planGrowth(source, makeRequest('expand', { hidden: 20, positions: 31 }));
    expect(plan.config).toMatchObject({ n_embd: 20, n_positions: 31 });
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
  });

  it('is refused for families without a table', async () => {
    const request = makeRequest('expand', { positions: 64 });
    await expectAppError('growth/unknown-axis', () => planGrowth(makeTinyModel(llama), request));
  });
});

describe('an interpolated position table', () => {
  const interpolate = { positions: 'interpolate' };
  const source = makeTinyModel(gpt2);
  const { positions: from, hidden: width } = source.dims as { positions: number; hidden: number };

  it.each([2 * from - 1, from + 3, 5 * from])(
    'of %i rows goes through the old ones in straight lines',
    (to) => {
      const plan = planGrowth(source, makeRequest('expand', { positions: to }, interpolate));
      expect(plan.promise.kind).toBe('none');
      expect(maxLogitChange(source, plan)).toBeGreaterThan(0.01);
      const old = source.weights.get('wpe.weight')!;
      const grown = growWeights(plan, source.weights).get('wpe.weight')!;
      const places = [...listSources(spread(from, to))].flatMap((row, at) => (row < 0 ? [] : [at]));
      expect([places[0], places.at(-1), places.length]).toEqual([0, to - 1, from]);
      for (let c = 0; c < width; c++)
        places.slice(1).forEach((after, i) => {
          const before = places[i]!;
          const [start, end] = [old[i * width + c]!, old[(i + 1) * width + c]!];
          for (let r = before; r <= after; r++) {
            const expected = start + ((r - before) / (after - before)) * (end - start);
            expect(grown[r * width + c]).toBeCloseTo(expected, 12);
          }
        });
    },
  );

  it('is refused where rows come before the first position', async () => {
    const request = makeRequest('expand', { positions: 24 }, interpolate);
    const { message } = await expectAppError('growth/constraint', () =>
      planGrowth(makeTinyModel(opt), request),
    );
    expect(message).toContain('rows before the first position');
  });

  it('promises the other sizes what it promises without the option', () => {
    const plan = planGrowth(source, makeRequest('expand', { hidden: 16 }, interpolate));
    expect(plan.promise.kind).toBe('function-preserving');
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
  });
});
