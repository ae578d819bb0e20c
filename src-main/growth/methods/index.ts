/** @file The registry of growth methods: one line each. */
import { refuse } from '../../base/errors.ts';
import { readOption, type OptionValue, type OptionValues } from '../../base/option.ts';
import type { GrowthMethod } from '../method.ts';
import { aki } from './aki.ts';
import { clonePad } from './clone-pad.ts';
import { copyPad } from './copy-pad.ts';
import { expand } from './expand.ts';
import { hypercloning } from './hypercloning.ts';
import { identity } from './identity.ts';
import { interleave } from './interleave.ts';
import { net2net } from './net2net.ts';
import { shrinkPerturb } from './shrink-perturb.ts';
import { solar } from './solar.ts';
import { stack } from './stack.ts';
import { upcycle } from './upcycle.ts';
import { vocab } from './vocab.ts';

/**
 * In the order in which they are offered: exact ones of width, then others of width, depth, experts,
 * vocabulary.
 */
const all: readonly GrowthMethod[] = [
  hypercloning,
  clonePad,
  expand,
  net2net,
  aki,
  copyPad,
  shrinkPerturb,
  identity,
  stack,
  interleave,
  solar,
  upcycle,
  vocab,
];

export const methods: ReadonlyMap<string, GrowthMethod> = new Map(all.map((method) => [method.id, method]));

/** The method with this id; an unknown one is refused. */
export const findMethod = (id: string): GrowthMethod =>
  methods.get(id) ?? refuse('growth/unknown-method', { method: id, known: [...methods.keys()] });

/** Every option of `method`: as given, or its default. Refuses unknown options and values that cannot be. */
export function resolveOptions(method: GrowthMethod, given: OptionValues): OptionValues {
  const unknown = Object.keys(given).find((id) => !method.options.some((option) => option.id === id));
  if (unknown !== undefined)
    refuse('growth/bad-option', {
      method: method.id,
      option: unknown,
      why: 'this method has no such option',
    });
  return Object.fromEntries(
    method.options.map((option): [string, OptionValue] => {
      const read = readOption(option, given[option.id]);
      return [
        option.id,
        'problem' in read
          ? refuse('growth/bad-option', {
              method: method.id,
              option: option.id,
              why: `${read.problem}, not "${String(given[option.id])}"`,
            })
          : read.value,
      ];
    }),
  );
}
