import { describe, expect, it } from 'vitest';
import { trainableOf } from '../../src-main/train/trainable.ts';
import { expectAppError } from '../support/expect-app-error.ts';

const names = ['embed.weight', 'layers.0.norm.weight', 'layers.0.mlp.weight', 'layers.1.norm.weight'];
const none: ReadonlySet<string> = new Set();
const frozenWith = (trainable: string, added = none): readonly string[] => {
  const found = trainableOf({ trainable }, names, added);
  return names.filter((name) => found?.isFrozen(name));
};

describe('trainableOf', () => {
  it('freezes nothing with all', () => {
    expect(trainableOf({ trainable: 'all' }, names, none)).toBeUndefined();
  });

  it('freezes what the growth did not add with new', () => {
    expect(frozenWith('new', new Set(['layers.1.norm.weight']))).toEqual(names.slice(0, 3));
  });

  it('masks what the growth widened with new, until it is unfrozen', () => {
    const added = new Set(['layers.1.norm.weight']);
    const widened = new Set(['embed.weight', 'layers.1.norm.weight']);
    const found = trainableOf({ trainable: 'new' }, names, added, widened)!;
    expect(names.filter((name) => found.isMasked(name))).toEqual(['embed.weight']);
    expect(names.filter((name) => found.isFrozen(name))).toEqual([
      'layers.0.norm.weight',
      'layers.0.mlp.weight',
    ]);
    const unfrozen = trainableOf({ trainable: 'new', isUnfrozen: true }, names, added, widened)!;
    expect(names.filter((name) => unfrozen.isMasked(name) || unfrozen.isFrozen(name))).toEqual([]);
    expect(trainableOf({ trainable: '*' }, names, added, widened)!.isMasked('embed.weight')).toBe(false);
  });

  it('freezes what no name matches; * stands for any text, and a dot for itself', () => {
    expect(frozenWith('*norm*')).toEqual(['embed.weight', 'layers.0.mlp.weight']);
    expect(frozenWith('embed.weight, layers.1.*')).toEqual(['layers.0.norm.weight', 'layers.0.mlp.weight']);
  });

  it('freezes nothing once it is unfrozen, and knows which weights began late', () => {
    const found = trainableOf({ trainable: '*norm*', isUnfrozen: true }, names, none)!;
    expect(names.filter((name) => found.isFrozen(name))).toEqual([]);
    expect(names.filter((name) => found.isLate(name))).toEqual(['embed.weight', 'layers.0.mlp.weight']);
  });

  it.each([
    ['a name that matches nothing', '*norm* embedXweight', 'embedXweight'],
    ['an empty text', ' ', 'give all, new, or names'],
    ['new without a growth', 'new', 'added nothing'],
  ])('refuses %s', async (_, trainable, why) => {
    const { detail } = await expectAppError('run/bad-setting', () => trainableOf({ trainable }, names, none));
    expect(detail['why']).toContain(why);
  });
});
