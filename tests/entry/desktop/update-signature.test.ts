import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isSignedBy } from '../../../src-main/entry/desktop/update-signature.ts';
import { freshFolder } from '../../support/temporary.ts';
import { root } from '../../support/test-service.ts';

const script = join(root, 'bin', 'sign-update.mjs');
/** Runs bin/sign-update.mjs. */
const run = (args: readonly string[], privateKey = ''): string =>
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, CAMBIUM_UPDATE_PRIVATE_KEY: privateKey },
    stdio: 'pipe',
  });
/** A manifest as electron-builder writes it. */
const manifestText = `version: 0.2.0
files:
  - url: Cambium-0.2.0.AppImage
    sha512: 3Kzlk2k8Q0g==
    size: 123456
    blockMapSize: 1234
  - url: cambium_0.2.0_amd64.deb
    sha512: Qo9YvLkz1A==
    size: 123450
path: Cambium-0.2.0.AppImage
sha512: 3Kzlk2k8Q0g==
releaseDate: '2026-11-29T12:00:00.000Z'
`;

const keys = new Map(
  run(['--make-key'])
    .trim()
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);
const publicKey = keys.get('CAMBIUM_UPDATE_KEY')!;
const file = join(freshFolder(), 'latest-linux.yml');
writeFileSync(file, manifestText);
run([file], keys.get('CAMBIUM_UPDATE_PRIVATE_KEY'));
interface Manifest {
  readonly version: string;
  readonly signature: string;
  readonly files: readonly { readonly url: string; readonly sha512: string; readonly size: number }[];
}
const manifest = parse(readFileSync(file, 'utf8')) as Manifest;

describe('a manifest of bin/sign-update.mjs', () => {
  it('is accepted with its key, and keeps its other fields', () => {
    expect(isSignedBy(publicKey, manifest)).toBe(true);
    const { signature, ...rest } = manifest;
    expect(signature).toMatch(/^[A-Za-z0-9+/]{86}==$/);
    expect(rest).toEqual(parse(manifestText));
  });

  it('is refused without a key, with another one, and with one of another kind', () => {
    const spki = (key: ReturnType<typeof generateKeyPairSync>['publicKey']): string =>
      key.export({ format: 'der', type: 'spki' }).toString('base64');
    for (const key of [
      '',
      'bm8ga2V5',
      spki(generateKeyPairSync('ed25519').publicKey),
      spki(generateKeyPairSync('ed448').publicKey),
    ])
      expect(isSignedBy(key, manifest), key).toBe(false);
  });

  it('is refused when anything that it promises has changed', () => {
    const [first, second] = manifest.files;
    const changes: readonly unknown[] = [
      { ...manifest, version: '0.2.1' },
      { ...manifest, files: [first] },
      { ...manifest, files: [second, first] },
      { ...manifest, files: [] },
      ...['url', 'sha512'].map((field) => ({ ...manifest, files: [{ ...first, [field]: 'x' }, second] })),
      { ...manifest, files: [{ ...first, size: 1 }, second] },
      { ...manifest, signature: undefined },
      { ...manifest, signature: '' },
      { ...manifest, signature: 7 },
      { ...manifest, signature: manifest.signature.toLowerCase() },
      null,
      'text',
      {},
    ];
    for (const changed of changes)
      expect(isSignedBy(publicKey, changed), JSON.stringify(changed)).toBe(false);
  });

  it('is not made without a key', () => {
    expect(() => run([file])).toThrow(/CAMBIUM_UPDATE_PRIVATE_KEY/);
  });
});
