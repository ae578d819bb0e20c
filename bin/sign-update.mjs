#!/usr/bin/env node
/**
 * @file `node bin/sign-update.mjs FILE…` signs manifests of updates (dist/latest-linux*.yml) with the private key in
 * CAMBIUM_UPDATE_PRIVATE_KEY. `--make-key` prints a new pair of keys as environment variables.
 */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { signManifest } from '../src-main/entry/desktop/update-signature.ts';

const files = process.argv.slice(2);
if (files[0] === '--make-key') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const print = (name, key, type) =>
    console.log(`${name}=${key.export({ format: 'der', type }).toString('base64')}`);
  print('CAMBIUM_UPDATE_KEY', publicKey, 'spki');
  print('CAMBIUM_UPDATE_PRIVATE_KEY', privateKey, 'pkcs8');
} else {
  const stored = process.env.CAMBIUM_UPDATE_PRIVATE_KEY ?? '';
  if (files.length === 0 || stored === '') {
    console.error('Give the manifests to sign, and the key in CAMBIUM_UPDATE_PRIVATE_KEY.');
    process.exit(2);
  }
  const key = createPrivateKey({ key: Buffer.from(stored, 'base64'), format: 'der', type: 'pkcs8' });
  for (const file of files) {
    const manifest = parse(readFileSync(file, 'utf8'));
    writeFileSync(file, stringify({ ...manifest, signature: signManifest(manifest, key) }));
  }
}
