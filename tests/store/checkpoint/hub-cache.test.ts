import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { listAuxiliaryFiles } from '../../../src-main/store/checkpoint/auxiliary-files.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { copyCheckpoint } from '../../../src-main/store/checkpoint/copy-checkpoint.ts';
import { readSourceCard } from '../../../src-main/store/checkpoint/model-card.ts';
import { readTokenizerFiles } from '../../../src-main/store/data/tokenizer-files.ts';
import { listExportFiles } from '../../../src-main/store/hub/export-files.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';
let model = '';

beforeAll(async () => {
  model = await makeTinyCheckpoint('llama', { tokenizer: true });
});

interface Repository {
  readonly cache: string;
  readonly dir: string;
  readonly blobs: string;
  readonly snapshot: string;
}

/** A repository as the Hugging Face cache keeps it: links to blobs, and the commit of main. */
function makeRepository(): Repository {
  const cache = join(freshFolder(), 'hub');
  const dir = join(cache, 'models--someone--tiny');
  const blobs = join(dir, 'blobs');
  const snapshot = join(dir, 'snapshots', commit);
  for (const folder of [blobs, join(dir, 'refs'), snapshot]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(dir, 'refs', 'main'), commit);
  for (const name of readdirSync(model)) {
    cpSync(join(model, name), join(blobs, `b-${name}`));
    symlinkSync(`../../blobs/b-${name}`, join(snapshot, name));
  }
  return { cache, dir, blobs, snapshot };
}

describe('a snapshot in the Hugging Face cache', () => {
  it('opens under the name of its repository', async () => {
    const { snapshot } = makeRepository();
    expect((await openCheckpoint(snapshot)).summary).toMatchObject({
      name: 'someone/tiny',
      tokenizer: { kind: 'BPE' },
    });
  });

  it('opens with its blobs on another disk, and with its repository or the cache on another disk', async () => {
    for (const pick of [({ blobs }) => blobs, ({ dir }) => dir, ({ cache }) => cache] as ((
      repository: Repository,
    ) => string)[]) {
      const repository = makeRepository();
      const linked = pick(repository);
      const elsewhere = join(freshFolder(), 'disk');
      renameSync(linked, elsewhere);
      symlinkSync(elsewhere, linked);
      expect((await openCheckpoint(repository.snapshot)).summary.parameters).toBeGreaterThan(0);
      expect(await listAuxiliaryFiles(repository.snapshot)).toHaveLength(2);
    }
  });

  it.each(['model.safetensors', 'config.json', 'tokenizer.json'])(
    'says that the blob of %s is missing, and how to get it',
    async (file) => {
      const { snapshot, blobs } = makeRepository();
      rmSync(join(blobs, `b-${file}`));
      const read = file === 'tokenizer.json' ? listAuxiliaryFiles(snapshot) : openCheckpoint(snapshot);
      const { message, detail } = await expectAppError('checkpoint/missing-blob', () => read);
      expect(detail).toEqual({ path: snapshot, file, blob: `b-${file}`, repo: 'someone/tiny' });
      expect(message).toContain('cambium download someone/tiny');
    },
  );

  it('is refused with a link out of its repository', async () => {
    const { snapshot } = makeRepository();
    const outside = join(freshFolder(), 'weights');
    cpSync(join(model, 'model.safetensors'), outside);
    unlinkSync(join(snapshot, 'model.safetensors'));
    symlinkSync(outside, join(snapshot, 'model.safetensors'));
    const { detail } = await expectAppError('checkpoint/link-outside', () => openCheckpoint(snapshot));
    expect(detail).toEqual({ path: join(snapshot, 'model.safetensors'), target: outside });
  });

  it('is named by the folders around it', async () => {
    const { cache, dir, blobs, snapshot } = makeRepository();
    mkdirSync(join(dir, 'snapshots', 'newer-without-config'));
    for (const path of [dir, dirname(snapshot), blobs, join(dir, 'refs')]) {
      const { message, detail } = await expectAppError('checkpoint/cache-repository', () =>
        openCheckpoint(path),
      );
      expect(detail).toEqual({ path, repo: 'someone/tiny', snapshots: [snapshot] });
      expect(message).toContain(`Open its snapshot: ${snapshot}.`);
    }
    const found = await expectAppError('checkpoint/cache', () => openCheckpoint(cache));
    expect(found.detail).toMatchObject({ models: ['someone/tiny'], snapshots: [snapshot] });
    rmSync(snapshot, { recursive: true });
    const { message } = await expectAppError('checkpoint/cache-repository', () => openCheckpoint(dir));
    expect(message).toContain('It has no snapshot');
  });

  it('of main comes before newer ones', async () => {
    const { dir, snapshot } = makeRepository();
    const newer = join(dir, 'snapshots', 'f'.repeat(40));
    cpSync(snapshot, newer, { recursive: true });
    const { detail } = await expectAppError('checkpoint/cache-repository', () => openCheckpoint(dir));
    expect(detail['snapshots']).toEqual([snapshot, newer]);
  });
});

describe('the links of another folder', () => {
  const linkTo = async (target: string, name = 'model.safetensors'): Promise<string> => {
    const dir = join(freshFolder(), 'model');
    cpSync(model, dir, { recursive: true });
    rmSync(join(dir, name));
    symlinkSync(target, join(dir, name));
    return Promise.resolve(dir);
  };

  it('may point into the folder', async () => {
    const dir = await linkTo('weights');
    cpSync(join(model, 'model.safetensors'), join(dir, 'weights'));
    expect((await openCheckpoint(dir)).summary.parameters).toBeGreaterThan(0);
  });

  it.each(['model.safetensors', 'config.json'])('may not point out of it, from %s', async (name) => {
    const dir = await linkTo(join(model, name), name);
    await expectAppError('checkpoint/link-outside', () => openCheckpoint(dir));
  });

  it('bring no other file into a copy', async () => {
    const dir = await linkTo('/etc/hostname', 'tokenizer.json');
    await expectAppError('checkpoint/link-outside', () => listAuxiliaryFiles(dir));
  });

  it('are named when they are broken', async () => {
    const dir = await linkTo('nowhere');
    const { detail } = await expectAppError('checkpoint/broken-link', () => openCheckpoint(dir));
    expect(detail).toEqual({ path: join(dir, 'model.safetensors'), target: 'nowhere' });
    expect(basename(dir)).toBe('model');
  });
});

describe('a folder of unknown origin', () => {
  const copyModel = (): string => {
    const dir = join(freshFolder(), 'model');
    cpSync(model, dir, { recursive: true });
    return dir;
  };
  /** Everything that reads, copies or pushes files of a model's folder. */
  const readers: Readonly<Record<string, (dir: string) => Promise<unknown>>> = {
    opening: openCheckpoint,
    'reading the tokenizer': readTokenizerFiles,
    copying: async (dir) => copyCheckpoint(await openCheckpoint(dir), join(freshFolder(), 'copy')),
    pushing: listExportFiles,
    'reading the license': readSourceCard,
  };
  const affected: readonly (readonly [file: string, readers: readonly string[]])[] = [
    ['config.json', ['opening', 'reading the tokenizer', 'copying', 'pushing']],
    ['model.safetensors', ['opening', 'copying', 'pushing']],
    ['tokenizer.json', ['opening', 'reading the tokenizer', 'copying', 'pushing']],
    ['growth.json', ['opening', 'copying', 'pushing']],
    ['LICENSE', ['copying', 'pushing']],
    ['README.md', ['pushing', 'reading the license']],
  ];
  const cases = affected.flatMap(([file, names]) => names.map((name) => [file, name] as const));

  it.each(cases)('leaks nothing through a link from %s when %s', async (file, reader) => {
    const dir = copyModel();
    const secret = join(freshFolder(), 'id_ed25519');
    writeFileSync(secret, '{}');
    rmSync(join(dir, file), { force: true });
    symlinkSync(secret, join(dir, file));
    await expectAppError('checkpoint/link-outside', () => readers[reader]!(dir));
  });

  it.skipIf(process.platform === 'win32').each(cases)(
    'does not wait for a FIFO named %s when %s',
    async (file, reader) => {
      const dir = copyModel();
      rmSync(join(dir, file), { force: true });
      execFileSync('mkfifo', [join(dir, file)]);
      const { detail } = await expectAppError('file/unreadable', () => readers[reader]!(dir));
      expect(detail['why']).toBe('it is not a regular file');
    },
  );

  it.each(cases.filter(([file]) => !['model.safetensors', 'LICENSE'].includes(file)))(
    'does not read a huge %s when %s',
    async (file, reader) => {
      const dir = copyModel();
      writeFileSync(join(dir, file), '{}');
      truncateSync(join(dir, file), 400e6);
      const pushed = reader === 'pushing' && file === 'README.md';
      // What is pushed is sent in parts, and only small files are searched for tokens.
      if (pushed) expect(await readers[reader]!(dir)).toContainEqual({ path: file, bytes: 400e6 });
      else await expectAppError('file/too-large', () => readers[reader]!(dir));
    },
  );
});
