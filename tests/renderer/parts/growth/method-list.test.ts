import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { methods } from '../../../../src-main/growth/methods/index.ts';
import { familyById } from '../../../../src-main/model/families/index.ts';
import { kindOf, methodKinds } from '../../../../src-renderer/parts/growth/method-kinds.ts';
import MethodList from '../../../../src-renderer/parts/growth/method-list.svelte';

afterEach(cleanup);

const all = [...methods.values()];
const props = { methods: all, family: familyById('llama'), chosen: all[0]!.id, onchoose: vi.fn() };

it('lists every method with its promise, and chooses one', async () => {
  render(MethodList, props);
  expect(screen.getAllByRole('radio')).toHaveLength(all.length);
  await fireEvent.click(screen.getByRole('radio', { name: /^Expansion/ }));
  expect(props.onchoose).toHaveBeenLastCalledWith('expand');
});

for (const kind of methodKinds)
  it(`shows the methods for ${kind} only`, async () => {
    render(MethodList, props);
    await fireEvent.click(screen.getByRole('button', { name: kind }));
    const shown = screen.getAllByRole('radio').map((radio) => (radio as HTMLInputElement).value);
    expect(shown.length).toBeGreaterThan(0);
    expect(shown).toEqual(all.filter((method) => kindOf(method) === kind).map(({ id }) => id));
  });
