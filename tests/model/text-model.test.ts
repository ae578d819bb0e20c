import { expect, it } from 'vitest';
import { textConfigOf } from '../../src-main/model/families/text-model.ts';

it.each(['constructor', '__proto__', 'toString'])(
  'a config.json of the type %s has no text model',
  (type) => {
    expect(textConfigOf({ model_type: type })).toBeUndefined();
  },
);

it('keeps a type of the text model that no table has, whatever its name', () => {
  const given = { model_type: 'gemma3', text_config: { model_type: 'constructor', hidden_size: 8 } };
  expect(textConfigOf(given)?.['model_type']).toBe('constructor');
});
