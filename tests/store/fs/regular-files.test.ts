/** @file Nothing waits for a FIFO or a device that stands where a file should be. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readHeader } from '../../../src-main/store/checkpoint/safetensors.ts';
import { streamBytes } from '../../../src-main/store/data/decompress.ts';
import { readMultipleChoiceQuestions } from '../../../src-main/store/data/multiple-choice.ts';
import { readTail } from '../../../src-main/store/data/text-tail.ts';
import { readTokenSummary } from '../../../src-main/store/data/token-files.ts';
import {
  openRegularFile,
  openRegularFileSync,
  readJson,
  readRegularFileSync,
} from '../../../src-main/store/fs/files.ts';
import { readLock } from '../../../src-main/store/fs/lock.ts';
import { hashFile, readGpuManifest } from '../../../src-main/store/gpu/install.ts';
import { readZipEntries } from '../../../src-main/store/gpu/zip.ts';
import { readStored } from '../../../src-main/store/home/stored-list.ts';
import { findToken } from '../../../src-main/store/hub/settings.ts';
import { openEventLog } from '../../../src-main/store/run/event-log.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { requestStop } from '../../../src-main/store/run/runs.ts';
import { isGrowthRequested } from '../../../src-main/store/run/stage-files.ts';
import { listFiles, readSource } from '../../support/source-files.ts';
import { errorCodeOf } from '../../support/test-service.ts';

const dir = mkdtempSync(join(tmpdir(), 'cambium-fifo-'));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Each reads the path of a FIFO, which the file's name and folder make the one that is read. */
const readers: Readonly<Record<string, (path: string) => unknown>> = {
  'model/weights.safetensors': readHeader,
  'text/corpus.txt': async (path) => {
    for await (const bytes of streamBytes(path)) void bytes;
  },
  'text/corpus.jsonl.gz': async (path) => {
    for await (const bytes of streamBytes(path)) void bytes;
  },
  'text/questions.jsonl': (path) => readMultipleChoiceQuestions(path),
  'log/server.log': (path) => readTail(path, 100),
  'tokens/tokens.json': (path) => readTokenSummary(dirname(path)),
  'lists/runs.json': (path) => readStored(path, z.unknown()),
  'locks/run.lock': readLock,
  'wheels/a.whl': readZipEntries,
  'wheels/b.whl': (path) => hashFile(path, 'hex'),
  'events/events.jsonl': (path) => readEvents(dirname(path)),
  'log-of-run/events.jsonl': (path) => openEventLog(dirname(path)),
  'any/a.json': readJson,
  'any/b.json': (path) => openRegularFile(path),
  'any/c.json': (path) => openRegularFileSync(path),
  'any/d.json': (path) => readRegularFileSync(path),
};
/** A FIFO counts as absent. */
const forgiving: Readonly<Record<string, (path: string) => unknown>> = {
  'token/token': (tokenFile) =>
    findToken({ endpoint: 'https://hub.example', cache: dir, offline: false, tokenFile }, null, {}),
  'home/gpu/manifest.json': (path) => readGpuManifest(dirname(dirname(path))),
};

describe.skipIf(process.platform === 'win32')('a FIFO', () => {
  const makeFifo = (name: string): string => {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    execFileSync('mkfifo', [path]);
    return path;
  };

  it.each(Object.keys(readers))('is refused as %s', async (name) => {
    const path = makeFifo(name);
    expect(await errorCodeOf((async () => readers[name]!(path))())).toBe('file/unreadable');
  });

  it.each(Object.keys(forgiving))('counts as absent as %s', async (name) => {
    expect(await forgiving[name]!(makeFifo(name))).toBeNull();
  });

  it('as a request of a run neither keeps anyone waiting nor asks for anything', async () => {
    const run = join(dir, 'run');
    const stop = makeFifo('run/stop');
    await requestStop(run);
    expect(readFileSync(stop, 'utf8')).toBe('');
    makeFifo('run/grow');
    expect(isGrowthRequested(run, 1)).toBe(false);
  });
});

it.skipIf(process.platform === 'win32')('an endless device is refused', async () => {
  expect(await errorCodeOf(readJson('/dev/zero'))).toBe('file/unreadable');
  expect(await errorCodeOf(openRegularFile('/dev/null'))).toBe('file/unreadable');
});

it('a file that is too large is refused before it is read', () => {
  const path = join(dir, 'large');
  writeFileSync(path, 'x'.repeat(100));
  expect(() => readRegularFileSync(path, 99)).toThrow(/99/);
  expect(readRegularFileSync(path, 100)).toHaveLength(100);
});

describe('files are opened for reading by openRegularFile and its like', () => {
  /** Files that open others: to write them, or to read only what this program or the system has written. */
  const others: Readonly<Record<string, string>> = {
    'src-main/store/fs/files.ts': 'is their home',
    'src-main/store/fs/direct-io.ts': 'opens what openRegularFile has opened before, without waiting',
    'src-main/store/fs/folder.ts': 'syncs files of its own folder',
    'src-main/store/fs/sequential-file.ts': 'writes',
    'src-main/store/fs/process.ts': 'reads /proc',
    'src-main/store/fs/cores.ts': 'reads /sys',
    'src-main/store/data/token-writer.ts': 'writes',
    'src-main/store/gpu/download.ts': 'writes',
    'src-main/store/gpu/zip.ts': 'writes',
    'src-main/store/hub/file-download.ts': 'writes',
    'src-main/store/checkpoint/onnx-writer.ts': 'writes',
    'src-main/store/run/tensorboard.ts': 'writes',
    'src-main/store/run/event-log.ts': 'writes, and checks the kind of the file',
    'src-main/store/stream/block-store.ts': 'writes its own blocks, and reads them',
    'src-main/launch/commands.ts': 'writes a log',
    'src-main/entry/node/peer-user.ts': 'reads /proc',
    'src-main/entry/node/processes.ts': 'writes a log, and reads it',
    'src-main/entry/node/background.ts': 'reads files of the home of this user',
    'src-main/entry/node/recipe.ts': 'reads what the command line names, which may be a pipe',
    'src-main/entry/desktop/secrets.ts': 'reads files of the home of this user',
    'src-main/entry/environment.ts': 'reads its own package',
    'src-main/entry/pages.ts': 'reads its own page',
  };
  const opens = /\b(open|openSync|readFile|readFileSync|createReadStream)\b/;
  const importsOpen = (path: string): boolean =>
    [...readSource(path).matchAll(/import \{([^}]*)\} from 'node:fs(?:\/promises)?'/g)].some(([, names]) =>
      opens.test(names!),
    );

  it('except where the table says why', () => {
    const found = listFiles('src-main').filter(importsOpen);
    expect(found.toSorted()).toEqual(Object.keys(others).toSorted());
  });
});
