/** @file Stores secrets in files that are encrypted by the key store of the system, or in memory without one. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safeStorage } from 'electron';
import { createMemorySecrets, type Secrets } from '../../service/secrets.ts';

/** Linux without a keyring "encrypts" with a password that is public. */
const isAvailable = (): boolean =>
  safeStorage.isEncryptionAvailable() &&
  !(process.platform === 'linux' && safeStorage.getSelectedStorageBackend() === 'basic_text');

/**
 * Secrets in `folder`, one file each. Can be created before the app is ready: the key store is first used when a
 * secret is.
 */
export function createKeyStore(folder: string): Secrets {
  const memory = createMemorySecrets();
  const fileOf = (name: string): string => join(folder, `${name}.sealed`);
  return {
    get storage() {
      return isAvailable() ? ('key store' as const) : ('memory' as const);
    },
    async get(name) {
      if (!isAvailable()) return memory.get(name);
      const encrypted = await readFile(fileOf(name)).catch(() => undefined);
      if (!encrypted) return null;
      try {
        return safeStorage.decryptString(encrypted);
      } catch {
        // It was encrypted by another user or on another computer.
        return null;
      }
    },
    async set(name, value) {
      if (!isAvailable()) {
        await memory.set(name, value);
        return;
      }
      if (value === null) {
        await rm(fileOf(name), { force: true });
        return;
      }
      await mkdir(folder, { recursive: true });
      await writeFile(fileOf(name), safeStorage.encryptString(value), { mode: 0o600 });
    },
  };
}
