/**
 * @file The names of weights in files. A causal language model of transformers stores `model.layers.0…` and
 * `lm_head.weight`; the base model in it stores `layers.0…`. transformers loads either into the other.
 */
import { tensorKey, type ModelFamily } from './family.ts';

/** Names as the causal language model has them, or as its base model has them. The head has no prefix in both. */
export type NameStyle = 'causal' | 'base';

type Names = Pick<ModelFamily, 'baseModelPrefix' | 'namePrefix' | 'otherNames' | 'tensors' | 'head'>;

/** Whether the weight is that of the head, or its bias. */
const isOfHead = ({ head }: { readonly head: Pick<Names['head'], 'weight'> }, name: string): boolean =>
  name.replace(/\.bias$/, '.weight') === head.weight;

/** The name in transformers' causal language model of a weight of the family. */
const toCausalName = (family: Names, name: string): string =>
  isOfHead(family, name) ? name : family.namePrefix + name;

/** The family's name for a name in the causal language model; undefined if the family has no such weight. */
function fromCausalName(family: Names, causal: string): string | undefined {
  const { namePrefix, tensors } = family;
  if (isOfHead(family, causal)) return causal in tensors ? causal : undefined;
  if (!causal.startsWith(namePrefix)) return undefined;
  const name = causal.slice(namePrefix.length);
  return !isOfHead(family, name) && tensorKey(name) in tensors ? name : undefined;
}

/** The name to store a weight under. */
export function storedNameOf(family: Names, style: NameStyle, name: string): string {
  const causal = toCausalName(family, name);
  const base = `${family.baseModelPrefix}.`;
  return style === 'base' && causal.startsWith(base) ? causal.slice(base.length) : causal;
}

export interface ResolvedName {
  /** The family's name. */
  readonly name: string;
  /** The style that the stored name has; undefined for a head, and for names of neither style. */
  readonly style?: NameStyle;
}

/**
 * The weight that a stored name is loaded into; undefined if there is none. Follows `rename_source_key` in
 * core_model_loading.py of transformers 5.24, which adds or removes one prefix of the base model. Also accepts
 * names without any prefix of families that have two.
 */
export function resolveStoredName(family: Names, stored: string): ResolvedName | undefined {
  const base = `${family.baseModelPrefix}.`;
  const candidates: readonly (readonly [causal: string, style?: NameStyle])[] = [
    [stored, 'causal'],
    ...(stored.startsWith(base) ? [[stored.slice(base.length)] as const] : []),
    [base + stored, 'base'],
    [family.namePrefix + stored],
  ];
  for (const [causal, style] of candidates) {
    const name = fromCausalName(family, renamed(family, causal));
    if (name === undefined) continue;
    return isOfHead(family, name) || style === undefined ? { name } : { name, style };
  }
  return undefined;
}

/** The name with the family's spelling of its parts. */
const renamed = ({ otherNames = {} }: Names, name: string): string =>
  Object.entries(otherNames).reduce((text, [other, own]) => text.replace(other, own), name);

/** The style of a file: that of the base model if all names have it, otherwise transformers' own. */
export const styleOf = (names: readonly ResolvedName[], head: string): NameStyle => {
  const others = names.filter(({ name }) => !isOfHead({ head: { weight: head } }, name));
  return others.length > 0 && others.every(({ style }) => style === 'base') ? 'base' : 'causal';
};
