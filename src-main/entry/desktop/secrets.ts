/**
 * @file The system's key store: a token is encrypted by it and only then written. Where the system has none,
 * the token stays in memory.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { safeStorage } from 'electron';
import { memorySecrets, type Secrets } from '../../service/secrets.ts';

/** Linux without a keyring would "encrypt" with a password that everybody knows. */
const usable = (): boolean =>
  safeStorage.isEncryptionAvailable() &&
  !(process.platform === 'linux' && safeStorage.getSelectedStorageBackend() === 'basic_text');

/**
 * Secrets below `folder`, one encrypted file each. May be made before the app is ready; the key store is
 * asked when it is needed.
 */
export function keyStore(folder: string): Secrets {
  const memory = memorySecrets();
  const file = (name: string): string => join(folder, `${name}.sealed`);
  return {
    get keeps() {
      return usable() ? ('key store' as const) : ('memory' as const);
    },
    async get(name) {
      if (!usable()) return memory.get(name);
      const sealed = await readFile(file(name)).catch(() => undefined);
      // Sealed by another user or machine, it is as good as absent.
      try {
        return sealed ? safeStorage.decryptString(sealed) : null;
      } catch {
        return null;
      }
    },
    async set(name, value) {
      if (!usable()) {
        await memory.set(name, value);
        return;
      }
      if (value === null) {
        await rm(file(name), { force: true });
        return;
      }
      await mkdir(folder, { recursive: true });
      await writeFile(file(name), safeStorage.encryptString(value), { mode: 0o600 });
    },
  };
}
