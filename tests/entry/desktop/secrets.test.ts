import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';

const system = vi.hoisted(() => ({ available: true, backend: 'gnome_libsecret' }));
vi.mock('electron', () => ({
  safeStorage: {
    isEncryptionAvailable: () => system.available,
    getSelectedStorageBackend: () => system.backend,
    encryptString: (text: string) =>
      Buffer.from([...text].reverse().map((letter) => letter.charCodeAt(0) ^ 7)),
    decryptString: (sealed: Buffer) => {
      if (sealed.length < 3) throw new Error('not ours');
      return [...sealed]
        .map((byte) => String.fromCharCode(byte ^ 7))
        .reverse()
        .join('');
    },
  },
}));
import { createKeyStore } from '../../../src-main/entry/desktop/secrets.ts';
import { freshFolder } from '../../support/temporary.ts';

beforeEach(() => {
  Object.assign(system, { available: true, backend: 'gnome_libsecret' });
});

describe('the key store', () => {
  it('writes a token only sealed, for this user alone, and gives it back to the next start', async () => {
    const folder = join(freshFolder(), 'secrets');
    const store = createKeyStore(folder);
    expect(store.storage).toBe('key store');
    expect(await store.get('token')).toBeNull();
    await store.set('token', 'hf_abcdef');
    const [name] = readdirSync(folder);
    expect(readFileSync(join(folder, name!), 'latin1')).not.toContain('hf_');
    if (process.platform !== 'win32') expect(statSync(join(folder, name!)).mode & 0o077).toBe(0);
    expect(await createKeyStore(folder).get('token')).toBe('hf_abcdef');
    await store.set('token', null);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'token.sealed'), 'x');
    expect(await store.get('token')).toBeNull();
  });

  it.each([
    [{ available: false }],
    [process.platform === 'linux' ? { backend: 'basic_text' } : { available: false }],
  ])('without a key store of the system (%o) the token stays in memory', async (without) => {
    Object.assign(system, without);
    const folder = freshFolder();
    const store = createKeyStore(folder);
    expect(store.storage).toBe('memory');
    await store.set('token', 'hf_abcdef');
    expect(await store.get('token')).toBe('hf_abcdef');
    expect(readdirSync(folder)).toEqual([]);
  });
});
