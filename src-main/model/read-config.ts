/**
 * @file Reads a config.json as the config class of its family in transformers does, and writes down what that
 * class would fill in or choose, so that every other program reads the same.
 */
import type { Json, JsonObject } from '../base/json.ts';
import { defaultSizes, withOwnNames } from './config.ts';
import type { ModelFamily } from './family.ts';
import { unifyRope, type ConfigChange } from './rope-config.ts';

const toText = (value: Json | undefined): string => JSON.stringify(value);

/** Keys under another name of `attribute_map` get the family's own name. */
function renameKeys(family: ModelFamily, config: JsonObject): ConfigChange {
  const notes = Object.entries(family.attributeMap ?? {})
    .filter(([other]) => other in config)
    .map(([other, own]) => {
      const isChoice = own in config && config[own] !== config[other];
      const read = `${other} is read as ${own}, as in transformers`;
      return isChoice ? `${read}: ${toText(config[other])} replaces ${toText(config[own])}` : read;
    });
  return { config: withOwnNames(family, config), notes };
}

/** Sizes without a key get the default of transformers. */
function addDefaultSizes(family: ModelFamily, config: JsonObject): ConfigChange {
  const sizes = defaultSizes(family, config);
  const notes = [...sizes].map(
    ([key, value]) => `${key} is absent from config.json: ${value}, the default of transformers`,
  );
  return { config: sizes.size === 0 ? config : { ...config, ...Object.fromEntries(sizes) }, notes };
}

const unifyRotary = ({ rope }: ModelFamily, config: JsonObject): ConfigChange =>
  rope ? unifyRope(config, rope) : { config, notes: [] };

/**
 * The config.json with one meaning, and sentences about what was changed in it. Refuses as `assertSupported`
 * does.
 */
export function readConfig(family: ModelFamily, given: JsonObject): ConfigChange {
  let config = given;
  const notes: string[] = [];
  for (const change of [renameKeys, addDefaultSizes, unifyRotary]) {
    const changed = change(family, config);
    config = changed.config;
    notes.push(...changed.notes);
  }
  family.assertSupported(config);
  return { config, notes };
}
