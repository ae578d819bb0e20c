import { expect, it } from 'vitest';
import { axes } from '../../../../src-main/tensor/layout.ts';
import { axisStyle } from '../../../../src-renderer/parts/growth/axes.ts';

it('gives every axis its own colour', () => {
  for (const axis of [...Object.keys(axes), 'layers'])
    expect(axisStyle(axis)).toMatchObject({ colour: `var(--axis-${axis}, var(--quiet))` });
});

it('labels axes by their usual names', () => {
  expect(axisStyle('hidden').label).toBe('hidden');
  expect(axisStyle('kv_heads').label).toBe('KV heads');
  expect(axisStyle('group').label).toBe('query heads per KV head');
});
