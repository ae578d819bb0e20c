#!/usr/bin/env node
/**
 * @file npm run size [COMMIT]: prints the number of files and non-blank lines in each layer, and how many
 * lines were added or removed since COMMIT (HEAD by default).
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './toolchain.mjs';

const commit = process.argv[2] ?? 'HEAD';
const folders = ['src-main', 'src-renderer', 'bin', 'tests', 'e2e'];
const sourceFile = /\.(ts|svelte|css|mjs|html)$/;

const countLines = (text) => text.split('\n').filter((line) => line.trim() !== '').length;
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });

/** `src-main/graph` for a file of that layer; the top folder for any other file. */
function layerOf(path) {
  const parts = path.split('/');
  if (parts[0] !== 'src-main') return parts[0];
  return `src-main/${parts.length > 2 ? parts[1] : '.'}`;
}

function addFile(totals, path, text) {
  const layer = layerOf(path);
  const { files, lines } = totals.get(layer) ?? { files: 0, lines: 0 };
  totals.set(layer, { files: files + 1, lines: lines + countLines(text) });
}

function addFolder(totals, folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) addFolder(totals, path);
    else if (sourceFile.test(entry.name)) addFile(totals, path, readFileSync(join(root, path), 'utf8'));
  }
}

const now = new Map();
for (const folder of folders) addFolder(now, folder);

const before = new Map();
for (const path of git('ls-tree', '-r', '--name-only', commit, '--', ...folders).split('\n')) {
  if (sourceFile.test(path)) addFile(before, path, git('show', `${commit}:${path}`));
}

const rows = [...now]
  .map(([layer, { files, lines }]) => [layer, files, lines, lines - (before.get(layer)?.lines ?? 0)])
  .sort(([a], [b]) => a.localeCompare(b));
const sumColumn = (column) => rows.reduce((sum, row) => sum + row[column], 0);
rows.push(['all', sumColumn(1), sumColumn(2), sumColumn(3)]);

const printRow = (layer, files, lines, change) =>
  console.log(`${layer.padEnd(20)}${files.padStart(6)}${lines.padStart(8)}${change.padStart(14)}`);
printRow('layer', 'files', 'lines', `since ${commit}`);
for (const [layer, files, lines, change] of rows) {
  printRow(layer, String(files), String(lines), change > 0 ? `+${change}` : String(change));
}
