import { describe, expect, it } from 'vitest';
import { flushSync } from 'svelte';
import { familyById } from '../../../src-main/model/families/index.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { GrowthState, stopsOf, suggestionsOf } from '../../../src-renderer/state/growth.svelte.ts';
import { cardOf, small, stories } from '../fake-service.ts';

const card = cardOf(stories, '/data/stories260K');

describe('GrowthState', () => {
  it('starts with a doubling whose plan is there at once', () => {
    const growth = new GrowthState(card, 'hypercloning');
    expect(growth.plan?.to['hidden']).toBe(128);
    expect(growth.plan?.to['ffn']).toBe(344);
    expect(growth.after!.parameters).toBe(growth.plan!.parameters.after);
    expect(growth.after!.weights).toBe(4 * growth.plan!.parameters.after);
  });

  it('follows every move', () => {
    const growth = new GrowthState(card, 'hypercloning');
    growth.resize('hidden', 192);
    flushSync();
    expect(growth.plan?.to['hidden']).toBe(192);
    growth.resize('hidden', undefined);
    expect(growth.plan?.to['hidden']).toBe(64);
  });

  it('says a refusal with sizes to click, and goes on from there', () => {
    const growth = new GrowthState(card, 'hypercloning');
    growth.resize('hidden', 100);
    expect(growth.plan).toBeUndefined();
    expect(growth.refusal?.code).toBe('growth/not-a-multiple');
    expect(growth.refuses('hidden')).toBe(true);
    expect(growth.refuses('ffn')).toBe(false);
    expect(growth.suggestions.map((s) => s.label)).toContain('hidden 128');
    expect(growth.suggestions.map((s) => s.label)).toContain('use Expansion');
    growth.suggestions.find((s) => s.label === 'hidden 128')!.apply(growth);
    expect(growth.plan?.to['hidden']).toBe(128);
  });

  it('draws the last possible plan while a size is refused', () => {
    const growth = new GrowthState(card, 'hypercloning');
    const before = growth.plan;
    growth.resize('hidden', 100);
    expect(growth.drawn).toBe(before);
  });

  it('keeps to sizes that the method grows', () => {
    for (const source of [card, cardOf(small, '/data/gpt2')])
      for (const id of methods.keys()) {
        const growth = new GrowthState(source, id);
        expect(growth.sizes.length > 0).toBe(growth.method.grows.length > 0);
        if (growth.refusal?.code !== 'growth/no-mixture')
          expect(growth.plan, `${source.family} ${id}: ${growth.refusal?.code ?? ''}`).toBeDefined();
        expect(growth.sizes.every((axis) => growth.stops[axis]![0] === source.dims[axis])).toBe(true);
      }
  });

  it('proposes anew for another method until a size was asked for, and then keeps to it', () => {
    const growth = new GrowthState(card, 'hypercloning');
    growth.choose('identity');
    expect(growth.wish).toEqual({ layers: 2 * card.dims['layers']! });
    growth.choose('net2net');
    expect(growth.wish).toEqual({ ffn: 2 * card.dims['ffn']! });
    growth.resize('ffn', card.dims['ffn']! + 8);
    growth.choose('expand');
    expect(growth.wish).toEqual({ ffn: card.dims['ffn']! + 8 });
  });

  it('starts a new method without the old one’s options', () => {
    const growth = new GrowthState(card, 'hypercloning');
    growth.set('noise', 20);
    growth.choose('expand');
    expect(growth.options).toEqual({});
    expect(growth.plan?.request.method).toBe('expand');
  });
});

it('stopsOf offers whole multiples where only those are reached', () => {
  const llama = familyById('llama');
  expect(stopsOf(methods.get('hypercloning')!, 'hidden', 64, {}, llama)).toEqual([
    64, 128, 192, 256, 320, 384, 448, 512,
  ]);
  expect(stopsOf(methods.get('expand')!, 'hidden', 64, {}, llama).slice(0, 3)).toEqual([64, 72, 80]);
  expect(stopsOf(methods.get('identity')!, 'layers', 2, {}, llama)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(stopsOf(methods.get('stack')!, 'layers', 2, {}, llama)).toEqual([2, 4, 6, 8]);
  expect(stopsOf(methods.get('expand')!, 'head_dim', 8, {}, llama)).toContain(16);
});

it('suggestionsOf knows refusals that name methods or a bound', () => {
  expect(
    suggestionsOf({
      code: 'growth/not-by-this-method',
      detail: { axis: 'layers', method: 'expand', methods: ['identity'] },
    }).map((s) => s.label),
  ).toEqual(['Identity layers']);
  expect(
    suggestionsOf({ code: 'growth/smaller', detail: { axis: 'ffn', from: 172, to: 10 } }).map((s) => s.label),
  ).toEqual(['ffn 172']);
  expect(suggestionsOf({ code: 'growth/nothing', detail: { method: 'expand' } })).toEqual([]);
});
