import { describe, expect, it } from 'vitest';
import { flushSync } from 'svelte';
import { familyById } from '../../../src-main/model/families/index.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { GrowthState, sliderStopsOf } from '../../../src-renderer/state/growth.svelte.ts';
import { createSummary, gpt2Config, storiesConfig } from '../fake/models.ts';

const source = createSummary(storiesConfig, '/data/stories260K');

describe('GrowthState', () => {
  it('starts with a doubling and its plan', () => {
    const growth = new GrowthState(source, 'hypercloning');
    expect(growth.plan?.to['hidden']).toBe(128);
    expect(growth.plan?.to['ffn']).toBe(344);
    expect(growth.after!.parameters).toBe(growth.plan!.parameters.after);
    expect(growth.after!.weights).toBe(4 * growth.plan!.parameters.after);
  });

  it('plans again after every change of a size', () => {
    const growth = new GrowthState(source, 'hypercloning');
    growth.setSize('hidden', 192);
    flushSync();
    expect(growth.plan?.to['hidden']).toBe(192);
    growth.setSize('hidden', undefined);
    expect(growth.plan?.to['hidden']).toBe(64);
  });

  it('suggests sizes and methods after a refusal', () => {
    const growth = new GrowthState(source, 'hypercloning');
    growth.setSize('hidden', 100);
    expect(growth.plan).toBeUndefined();
    expect(growth.refusal?.code).toBe('growth/not-a-multiple');
    expect(growth.isRefused('hidden')).toBe(true);
    expect(growth.isRefused('ffn')).toBe(false);
    expect(growth.suggestions.map((s) => s.label)).toContain('hidden 128');
    expect(growth.suggestions.map((s) => s.label)).toContain('use Expansion');
    growth.suggestions.find((s) => s.label === 'hidden 128')!.apply(growth);
    expect(growth.plan?.to['hidden']).toBe(128);
  });

  it('refuses zero, negative and fractional sizes with a size that is possible', () => {
    const growth = new GrowthState(source, 'hypercloning');
    for (const size of [0, -5, 96.5]) {
      growth.setSize('hidden', size);
      expect(growth.plan, String(size)).toBeUndefined();
      expect(growth.isRefused('hidden')).toBe(true);
      expect(growth.suggestions.map(({ label }) => label)).toContain('hidden 64');
    }
  });

  it('shows the last valid plan while a size is refused', () => {
    const growth = new GrowthState(source, 'hypercloning');
    const before = growth.plan;
    growth.setSize('hidden', 100);
    expect(growth.shownPlan).toBe(before);
  });

  it('proposes sizes that the method can grow', () => {
    for (const checkpoint of [source, createSummary(gpt2Config, '/data/gpt2')])
      for (const id of methods.keys()) {
        const growth = new GrowthState(checkpoint, id);
        expect(growth.growableAxes.length > 0).toBe(growth.method.grows.length > 0);
        if (growth.refusal?.code !== 'growth/no-mixture')
          expect(growth.plan, `${checkpoint.family} ${id}: ${growth.refusal?.code ?? ''}`).toBeDefined();
        expect(
          growth.growableAxes.every((axis) => growth.sliderStops[axis]![0] === checkpoint.dims[axis]),
        ).toBe(true);
      }
  });

  it('proposes sizes for another method until a size is chosen, and then keeps the chosen one', () => {
    const growth = new GrowthState(source, 'hypercloning');
    growth.setMethod('identity');
    expect(growth.chosenSizes).toEqual({ layers: 2 * source.dims['layers']! });
    growth.setMethod('net2net');
    expect(growth.chosenSizes).toEqual({ ffn: 2 * source.dims['ffn']! });
    growth.setSize('ffn', source.dims['ffn']! + 8);
    growth.setMethod('expand');
    expect(growth.chosenSizes).toEqual({ ffn: source.dims['ffn']! + 8 });
  });

  it('resets the options when the method changes', () => {
    const growth = new GrowthState(source, 'hypercloning');
    growth.setOption('noise', 20);
    growth.setMethod('expand');
    expect(growth.options).toEqual({});
    expect(growth.plan?.request.method).toBe('expand');
  });
});

it('stops sliders at the sizes that the method can reach', () => {
  const llama = familyById('llama');
  expect(sliderStopsOf(methods.get('hypercloning')!, 'hidden', 64, {}, llama)).toEqual([
    64, 128, 192, 256, 320, 384, 448, 512,
  ]);
  expect(sliderStopsOf(methods.get('expand')!, 'hidden', 64, {}, llama).slice(0, 3)).toEqual([64, 72, 80]);
  expect(sliderStopsOf(methods.get('identity')!, 'layers', 2, {}, llama)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(sliderStopsOf(methods.get('stack')!, 'layers', 2, {}, llama)).toEqual([2, 4, 6, 8]);
  expect(sliderStopsOf(methods.get('expand')!, 'head_dim', 8, {}, llama)).toContain(16);
});
