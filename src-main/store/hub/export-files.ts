/** @file Checks the files of an export before they are pushed to the Hub. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { PushFile } from '../../model/hub.ts';
import { formatRecord, localPathFields } from '../../model/records.ts';
import { getCheckpointName, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { momentsFolder } from '../checkpoint/moments.ts';
import { listShards } from '../checkpoint/shards.ts';
import { isObject, readOrRefuse } from '../fs/files.ts';
import { findInside, readInside, readJsonInside } from '../fs/inside.ts';
import { pushedName } from './model-files.ts';

const tokenPattern = /\bhf_[A-Za-z0-9]{30,}/;
/** Larger files are not searched for tokens: nobody wrote them by hand. */
const maxSearchedBytes = 5_000_000;

/** True for growth.json and training.json, whose local paths are replaced before they are pushed. */
export const isRecord = (name: string): boolean => name in localPathFields;

/**
 * Lists the files to push, sorted by name, without optimizer moments. Refuses `hub/not-an-export` for other
 * files, `hub/secret` for an access token in a file, and a folder that is no checkpoint and no ONNX model.
 */
export async function listExportFiles(dir: string, token?: string): Promise<readonly PushFile[]> {
  const all = await readOrRefuse(dir, () => readdir(dir, { withFileTypes: true }));
  const entries = all.filter((entry) => !(entry.isDirectory() && entry.name === momentsFolder));
  const weights = new Set(await listShards(dir).catch(() => []));
  for (const entry of entries) {
    const { name } = entry;
    if (entry.isDirectory()) refuse('hub/not-an-export', { path: dir, file: `the folder ${name}` });
    if (!weights.has(name) && !pushedName.test(name) && !isRecord(name))
      refuse('hub/not-an-export', { path: dir, file: name });
  }
  const isOnnx = weights.size === 0 && entries.some((entry) => entry.name === 'model.onnx');
  if (isOnnx) await checkConfig(dir);
  else await openCheckpoint(dir);
  const files: PushFile[] = [];
  for (const { name } of entries) {
    const path = (await findInside(dir, name)) ?? refuse('file/not-found', { path: join(dir, name) });
    const { size } = await readOrRefuse(path, () => stat(path));
    if (!weights.has(name) && size <= maxSearchedBytes) {
      const text = (await readInside(dir, name))?.toString('latin1') ?? '';
      if (tokenPattern.test(text) || (token !== undefined && text.includes(token)))
        refuse('hub/secret', { path: dir, file: name });
    }
    files.push({ path: name, bytes: size });
  }
  return files.sort((a, b) => a.path.localeCompare(b.path, 'en'));
}

/** An ONNX model has a config.json beside it. */
async function checkConfig(dir: string): Promise<void> {
  if (!(await readJsonInside(dir, 'config.json'))) refuse('checkpoint/no-config', { path: dir });
}

/** The record without the pieces of text that its certificate quotes, which may be private. */
function withoutTexts<T extends Readonly<Record<string, unknown>>>(record: T): T {
  const { certificate } = record;
  if (!isObject(certificate)) return record;
  const kept = Object.entries(certificate).filter(([key]) => key !== 'worst');
  return { ...record, certificate: Object.fromEntries(kept) };
}

/** The text of a record with local paths replaced by the names of what they lead to, and without quoted text. */
export async function formatPublicRecord(dir: string, file: string): Promise<string> {
  const record = (await readJsonInside(dir, file)) ?? refuse('file/not-found', { path: join(dir, file) });
  const names: Record<string, string> = {};
  for (const field of localPathFields[file]!) {
    const path = record[field];
    if (typeof path === 'string') names[field] = getCheckpointName(path);
  }
  return formatRecord(withoutTexts({ ...record, ...names }));
}
