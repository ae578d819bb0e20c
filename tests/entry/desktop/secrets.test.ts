import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { createKeyStore } from '../../../src-main/entry/desktop/secrets.ts';
import { freshFolder } from '../../support/temporary.ts';

beforeEach(() => {
  Object.assign(fake.encryption, { available: true, backend: 'gnome_libsecret' });
});

describe('createKeyStore', () => {
  it('writes a secret encrypted and readable only by its owner', async () => {
    const folder = join(freshFolder(), 'secrets');
    const store = createKeyStore(folder);
    expect(store.storage).toBe('key store');
    expect(await store.get('token')).toBeNull();
    await store.set('token', 'hf_abcdef');
    const [name] = readdirSync(folder);
    expect(readFileSync(join(folder, name!), 'latin1')).not.toContain('hf_');
    if (process.platform !== 'win32') expect(statSync(join(folder, name!)).mode & 0o077).toBe(0);
  });

  it('keeps a secret over restarts until it is removed', async () => {
    const folder = join(freshFolder(), 'secrets');
    const store = createKeyStore(folder);
    await store.set('token', 'hf_abcdef');
    expect(await createKeyStore(folder).get('token')).toBe('hf_abcdef');
    await store.set('token', null);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('has no secret if the file cannot be decrypted', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'token.sealed'), 'x');
    expect(await createKeyStore(folder).get('token')).toBeNull();
  });

  it.each([
    [{ available: false }],
    [process.platform === 'linux' ? { backend: 'basic_text' } : { available: false }],
  ])('keeps a secret in memory if the system has no key store (%o)', async (encryption) => {
    Object.assign(fake.encryption, encryption);
    const folder = freshFolder();
    const store = createKeyStore(folder);
    expect(store.storage).toBe('memory');
    await store.set('token', 'hf_abcdef');
    expect(await store.get('token')).toBe('hf_abcdef');
    expect(readdirSync(folder)).toEqual([]);
  });
});
