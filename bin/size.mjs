#!/usr/bin/env node
/** @file npm run size: lines per layer, and the change against the commit named (HEAD by default). */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './toolchain.mjs';

const against = process.argv[2] ?? 'HEAD';
const counted = /\.(ts|svelte|css|mjs|html)$/;
const layerOf = (path) => {
  const [top, second] = path.split('/');
  return top === 'src-main' ? `src-main/${path.split('/').length > 2 ? second : '.'}` : top;
};
const tops = ['src-main', 'src-renderer', 'bin', 'tests', 'e2e'];
const lines = (text) => text.split('\n').filter((line) => line.trim() !== '').length;
const git = (...given) => execFileSync('git', given, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });

const now = new Map();
const before = new Map();
const add = (map, path, text) => {
  const layer = layerOf(path);
  const [files, sum] = map.get(layer) ?? [0, 0];
  map.set(layer, [files + 1, sum + lines(text)]);
};
function walk(path) {
  for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
    const inner = `${path}/${entry.name}`;
    if (entry.isDirectory()) walk(inner);
    else if (counted.test(entry.name)) add(now, inner, readFileSync(join(root, inner), 'utf8'));
  }
}
for (const top of tops) {
  try {
    walk(top);
  } catch {
    /* not there yet */
  }
}
for (const path of git('ls-tree', '-r', '--name-only', against, '--', ...tops).split('\n'))
  if (counted.test(path)) add(before, path, git('show', `${against}:${path}`));

const rows = [...now]
  .sort(([a], [b]) => a.localeCompare(b))
  .map(([layer, [files, sum]]) => [layer, files, sum, sum - (before.get(layer)?.[1] ?? 0)]);
rows.push(['all', ...[1, 2, 3].map((i) => rows.reduce((a, row) => a + row[i], 0))]);
console.log(
  `${'layer'.padEnd(20)}${'files'.padStart(6)}${'lines'.padStart(8)}${`since ${against}`.padStart(14)}`,
);
for (const [layer, files, sum, change] of rows)
  console.log(
    `${layer.padEnd(20)}${String(files).padStart(6)}${String(sum).padStart(8)}${(change > 0 ? `+${change}` : String(change)).padStart(14)}`,
  );
