/** @file The registry of growth methods. */
import { refuse } from '../../base/errors.ts';
import { readOption, type OptionValues } from '../../base/option.ts';
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

/** In the order of the interface: exact methods for width, other ones, depth, experts, vocabulary. */
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

/** The method with this id. Refuses unknown ids. */
export const findMethod = (id: string): GrowthMethod =>
  methods.get(id) ?? refuse('growth/unknown-method', { method: id, known: [...methods.keys()] });

/** The given options with defaults for the others. Refuses unknown options and invalid values. */
export function resolveOptions(method: GrowthMethod, given: OptionValues): OptionValues {
  const refuseOption = (option: string, why: string): never =>
    refuse('growth/bad-option', { method: method.id, option, why });
  const unknown = Object.keys(given).find((id) => !method.options.some((option) => option.id === id));
  if (unknown !== undefined) refuseOption(unknown, 'this method has no such option');
  const entries = method.options.map((option) => {
    const read = readOption(option, given[option.id]);
    if ('value' in read) return [option.id, read.value] as const;
    return refuseOption(option.id, `${read.problem}, not "${String(given[option.id])}"`);
  });
  return Object.fromEntries(entries);
}
