/** @file Creates small wheels: zip archives with a RECORD of hashes. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

/** A zip archive of these files; every second one is stored without compression. */
export function createZip(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  Object.entries(files).forEach(([name, content], i) => {
    const compressed = i % 2 === 0 ? deflateRawSync(content) : content;
    const title = Buffer.from(name);
    const extra = Buffer.from('ABxy');
    const header = Buffer.alloc(30);
    const entry = Buffer.alloc(46);
    const method = i % 2 === 0 ? 8 : 0;
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(method, 8);
    header.writeUInt32LE(crc32(content), 14);
    header.writeUInt32LE(compressed.length, 18);
    header.writeUInt32LE(content.length, 22);
    header.writeUInt16LE(title.length, 26);
    header.writeUInt16LE(extra.length, 28);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc32(content), 16);
    entry.writeUInt32LE(compressed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(title.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(header, title, extra, compressed);
    directory.push(entry, title);
    at += header.length + title.length + extra.length + compressed.length;
  });
  const end = Buffer.alloc(22);
  const directoryBytes = Buffer.concat(directory);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directoryBytes.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, directoryBytes, end]);
}

/** Reproducible bytes that compress well. */
export const createBytes = (seed: number, length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) % 61));

/** A wheel of these files with its RECORD. The hash of `wrongHash` is wrong there. */
export function createWheel(
  name: string,
  version: string,
  files: Readonly<Record<string, Buffer>>,
  wrongHash?: string,
): Buffer {
  const info = `${name}-${version}.dist-info`;
  const computeHash = (path: string, content: Buffer): string =>
    createHash('sha256')
      .update(path === wrongHash ? 'another' : content)
      .digest('base64url');
  const record = Object.entries(files)
    .map(([path, content]) => `${path},sha256=${computeHash(path, content)},${content.length}`)
    .join('\n');
  return createZip({
    ...files,
    [`${info}/METADATA`]: Buffer.from('Metadata-Version: 2.1\n'),
    [`${info}/RECORD`]: Buffer.from(`${record}\n${info}/RECORD,,\n`),
  });
}

export const providerFiles = {
  'onnxruntime/__init__.py': Buffer.from('print()\n'),
  'onnxruntime/capi/libonnxruntime.so.1.30.0': createBytes(1, 5000),
  'onnxruntime/capi/libonnxruntime_providers_cuda.so': createBytes(2, 300_000),
  'onnxruntime/capi/libonnxruntime_providers_shared.so': createBytes(3, 700),
  'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': createBytes(4, 900),
} as const;
export const getProviderFileName = (version = '1.30.0', platform = 'manylinux_2_28_x86_64'): string =>
  `onnxruntime_gpu-${version}-cp399-cp399-${platform}.whl`;

/** Writes the provider's wheel into `folder`. Returns its path. */
export function writeProvider(
  folder: string,
  {
    version = '1.30.0',
    file = getProviderFileName(version),
    wrongHash,
  }: { version?: string; file?: string; wrongHash?: string } = {},
): string {
  const path = join(folder, file);
  writeFileSync(path, createWheel('onnxruntime_gpu', version, providerFiles, wrongHash));
  return path;
}
