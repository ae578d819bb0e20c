import { describe, expect, it } from 'vitest';
import { isBuffer } from '../../src-main/model/buffers.ts';
import { families, familyById } from '../../src-main/model/families/index.ts';
import type { ModelFamily } from '../../src-main/model/family.ts';
import { resolveStoredName, storedNameOf, styleOf } from '../../src-main/model/tensor-names.ts';
import { readTransformersFixture } from '../support/transformers.ts';

/** Names of the weights in transformers, and pairs of a stored name and the weight it is loaded into. */
interface Names {
  readonly names: readonly string[];
  readonly loaded: readonly (readonly [stored: string, target: string | null])[];
}

const golden = readTransformersFixture<Names>('names.json');
const classes = readTransformersFixture<{
  base_model_prefix: string;
  ignored_names: readonly string[];
  tied_names: Readonly<Record<string, string>>;
}>('classes.json');

/** The name in transformers, whose spelling of some parts is another than that of the files. */
function nameInTransformers(family: ModelFamily, name: string): string {
  const stored = storedNameOf(family, 'causal', name);
  return Object.entries(family.otherNames ?? {}).reduce(
    (text, [other, own]) => text.replace(own, other),
    stored,
  );
}

/** Names that transformers does not load, but that can be no other weight. */
const isRead = (id: string, stored: string): boolean =>
  (id.startsWith('opt') && !stored.includes('decoder.')) || stored === 'gpt_neox.embed_out.weight';

/** Tensors that match the patterns of transformers' classes, with the shape of the buffer. */
const buffers: Readonly<Record<string, readonly (readonly [name: string, shape: readonly number[]])[]>> = {
  'attn.bias': [
    ['h.0.attn.bias', [1, 1, 8, 8]],
    ['transformer.h.11.attn.bias', [1, 1, 8, 8]],
  ],
  'crossattention.bias': [['transformer.h.0.crossattention.bias', [1, 1, 8, 8]]],
  'attention.bias': [['gpt_neox.layers.0.attention.bias', [1, 1, 8, 8]]],
  'attn.masked_bias': [['transformer.h.0.attn.masked_bias', []]],
  'attention.masked_bias': [['gpt_neox.layers.0.attention.masked_bias', []]],
  'rotary_emb\\.inv_freq': [
    ['model.layers.0.self_attn.rotary_emb.inv_freq', [4]],
    ['model.rotary_emb.inv_freq', [4]],
    ['rotary_emb.inv_freq', [4]],
  ],
};

it('covers every family', () => {
  expect(Object.keys(golden).sort()).toEqual([...families.keys()].sort());
});

describe.each(Object.entries(golden))('names of a %s', (id, { names, loaded }) => {
  const family = familyById(id);

  it('are resolved as transformers does, with one prefix less or more', () => {
    for (const [stored, target] of loaded) {
      const found = resolveStoredName(family, stored);
      const read = found && nameInTransformers(family, found.name);
      if (target !== null || !isRead(id, stored)) expect(read ?? null, stored).toBe(target);
    }
  });

  it('are those of transformers', () => {
    const read = names
      .filter((name) => !name.includes('.experts.'))
      .map((name) => nameInTransformers(family, resolveStoredName(family, name)!.name));
    expect(read).toEqual(names.filter((name) => !name.includes('.experts.')));
    const { base_model_prefix: prefix, tied_names: tied } = classes[id]!;
    expect(family.baseModelPrefix).toBe(prefix);
    const { weight, tiedTo } = family.head;
    expect({ [nameInTransformers(family, weight)]: nameInTransformers(family, tiedTo) }).toEqual(tied);
  });

  it('return from either style', () => {
    const keys = Object.keys(family.tensors).map((key) =>
      key.replace('{layer}', '7').replace('{expert}', '3'),
    );
    for (const style of ['causal', 'base'] as const) {
      const resolved = keys.map((name) => resolveStoredName(family, storedNameOf(family, style, name))!);
      expect(resolved.map(({ name }) => name)).toEqual(keys);
      expect(styleOf(resolved, family.head.weight)).toBe(style);
    }
    const mixed = [
      resolveStoredName(family, storedNameOf(family, 'base', keys[0]!))!,
      resolveStoredName(family, storedNameOf(family, 'causal', keys[1]!))!,
    ];
    expect(styleOf(mixed, family.head.weight)).toBe('causal');
  });

  it('of buffers are those that the classes of transformers ignore', () => {
    const rotary = family.rope !== undefined;
    for (const pattern of classes[id]!.ignored_names)
      for (const [name, shape] of buffers[pattern]!)
        expect(isBuffer(name, shape, { rotary }), name).toBe(true);
    for (const name of ['cos_cached', 'sin_cached', 'original_inv_freq', 'inv_freq'])
      for (const at of ['', 'model.', 'model.layers.3.self_attn.'])
        expect(isBuffer(`${at}rotary_emb.${name}`, [4], { rotary }), name).toBe(rotary);
    // A bias has one axis, a mask has rows and columns.
    expect(isBuffer('h.0.attn.bias', [96], { rotary })).toBe(false);
    for (const key of Object.keys(family.tensors)) {
      const name = storedNameOf(family, 'causal', key.replace('{layer}', '0').replace('{expert}', '0'));
      expect(isBuffer(name, [8, 8], { rotary }), name).toBe(false);
    }
  });
});
