import { expect, it } from 'vitest';
import { toText } from '../../src-main/base/json.ts';

it('toText makes a text of every value that JSON can have', () => {
  const values = ['"a"', '1', 'true', 'null', '[1,[]]', '{"toString":"x","valueOf":1}', '{"__proto__":null}'];
  expect(values.map((text) => toText(JSON.parse(text)))).toEqual([
    'a',
    '1',
    'true',
    'null',
    '[1,[]]',
    '{"toString":"x","valueOf":1}',
    '{"__proto__":null}',
  ]);
});
