import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findPathArgument, routeOfPath } from '../../../src-main/entry/desktop/open-path.ts';
import { freshFolder } from '../../support/temporary.ts';

const dir = freshFolder();
const weights = join(dir, 'model.safetensors');
writeFileSync(weights, '');

it('finds the first argument that exists, other than the app', () => {
  expect(findPathArgument(['/opt/electron', '--no-sandbox', dir], dir)).toBeUndefined();
  const commandLine = ['/opt/electron', '--flag', '.', 'gone', 'model.safetensors'];
  expect(findPathArgument(commandLine, dir, dir)).toBe(weights);
  expect(findPathArgument(['/opt/Cambium'], '/x')).toBeUndefined();
});

it('opens the page of a checkpoint for its folder and for its weights', () => {
  const route = `#/checkpoint?${new URLSearchParams({ dir }).toString()}`;
  expect([routeOfPath(dir), routeOfPath(weights)]).toEqual([route, route]);
});
