/** @file The weights of the blocks that a growth added, such as the identity blocks of LLaMA-Pro. */
import { settingsOf } from '../model/config.ts';
import { familyById } from '../model/families/index.ts';
import { parametersOf } from '../model/parameters.ts';
import type { GrowthPlan, LayerSource } from './recipe.ts';

/**
 * Names of the weights of all layers that `stages`, applied in order, added: layers that add nothing at first, and the
 * second and later copies of a layer.
 */
export function listAddedWeights(stages: readonly GrowthPlan[]): ReadonlySet<string> {
  let added = new Set<string>();
  for (const plan of stages) {
    const before = added;
    const family = familyById(plan.family);
    const layerOf = new Map(
      parametersOf(family, plan.to, settingsOf(family, plan.config)).map(({ name, layer }) => [name, layer]),
    );
    const isAdded = plan.layers.map((layer, i) => isAddedLayer(layer, plan.layers.slice(0, i)));
    const names = plan.tensors.filter(({ name, source }) => {
      const layer = layerOf.get(name);
      return before.has(source) || (layer !== undefined && isAdded[layer] === true);
    });
    added = new Set(names.map(({ name }) => name));
  }
  return added;
}

const isAddedLayer = ({ source, identity }: LayerSource, earlier: readonly LayerSource[]): boolean =>
  identity || earlier.some((layer) => layer.source === source && !layer.identity);
