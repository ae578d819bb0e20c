/** @file Which weights of a run are trained, from its setting. */
import { refuse } from '../base/errors.ts';
import type { Trainable } from './state.ts';

export interface TrainableChoice {
  /** `all`, `new`, or names with `*` between spaces or commas. */
  readonly trainable: string;
  /** True once frozen weights are trained too. */
  readonly isUnfrozen?: boolean;
}

/**
 * The weights of `names` that are trained; undefined for all of them. `added` are those that the growth added, and
 * `widened` those that it gave new entries, which alone are trained with `new`. Throws `run/bad-setting` if a name
 * matches none, or if the growth added nothing.
 */
export function trainableOf(
  { trainable, isUnfrozen = false }: TrainableChoice,
  names: readonly string[],
  added: ReadonlySet<string>,
  widened: ReadonlySet<string> = new Set(),
): Trainable | undefined {
  const setting = trainable.trim();
  const chosen = chooseNames(setting, names, new Set([...added, ...widened]));
  if (!chosen) return undefined;
  return {
    isFrozen: (name) => !isUnfrozen && !chosen.has(name),
    isMasked: (name) => setting === 'new' && !isUnfrozen && widened.has(name) && !added.has(name),
    isLate: (name) => isUnfrozen && !chosen.has(name),
  };
}

function chooseNames(
  setting: string,
  names: readonly string[],
  added: ReadonlySet<string>,
): ReadonlySet<string> | undefined {
  const fail = (why: string): never => refuse('run/bad-setting', { setting: 'trainable weights', why });
  if (setting === 'all') return undefined;
  if (setting === 'new') {
    const chosen = new Set(names.filter((name) => added.has(name)));
    return chosen.size > 0 ? chosen : fail('are "new", but the growth of this checkpoint added nothing');
  }
  const words = setting.split(/[\s,]+/).filter(Boolean);
  if (words.length === 0) fail('are not named: give all, new, or names with *');
  const matches = words.map((word) => {
    const pattern = new RegExp(`^${word.split('*').map(escape).join('.*')}$`);
    const matching = names.filter((name) => pattern.test(name));
    return matching.length > 0
      ? matching
      : fail(`match no weight: ${word} (the first weight is ${names[0]!})`);
  });
  return new Set(matches.flat());
}

const escape = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
