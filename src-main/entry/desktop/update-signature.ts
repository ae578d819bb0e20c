/**
 * @file The signature of an update on Linux, where the system checks no signature of programs. The manifest of a
 * release (latest-linux.yml) holds an ed25519 signature of its version and its files with their SHA-512, which
 * electron-updater checks after the download. `bin/sign-update.mjs` makes it; the public key is part of the release.
 */
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';

const manifestSchema = z.object({
  version: z.string(),
  files: z.array(z.object({ url: z.string(), sha512: z.string(), size: z.number().optional() })).min(1),
});
const signatureSchema = z.object({ signature: z.string() });

/** What is signed of a manifest. Throws if it is no manifest. */
function toSignedBytes(manifest: unknown): Buffer {
  const { version, files } = manifestSchema.parse(manifest);
  const listed = files.map(({ url, sha512, size }) => [url, sha512, size ?? null]);
  return Buffer.from(JSON.stringify(['cambium-update', version, listed]));
}

/** The signature of a manifest by an ed25519 key, as base64. */
export const signManifest = (manifest: unknown, privateKey: KeyObject): string =>
  sign(null, toSignedBytes(manifest), privateKey).toString('base64');

/** True if the manifest is signed by the key: its public part as SPKI in DER, as base64. */
export function isSignedBy(publicKey: string, manifest: unknown): boolean {
  const signed = signatureSchema.safeParse(manifest);
  if (!signed.success || publicKey === '') return false;
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519') return false;
    return verify(null, toSignedBytes(manifest), key, Buffer.from(signed.data.signature, 'base64'));
  } catch {
    return false;
  }
}
