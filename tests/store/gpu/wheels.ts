/** @file Small wheels made by hand: a zip archive with a RECORD, as pip's are. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';

/** A zip of these files, every second one stored as it is. */
export function zipOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let at = 0;
  Object.entries(files).forEach(([name, content], i) => {
    const packed = i % 2 === 0 ? deflateRawSync(content) : content;
    const title = Buffer.from(name);
    const extra = Buffer.from('ABxy');
    const header = Buffer.alloc(30);
    const entry = Buffer.alloc(46);
    const method = i % 2 === 0 ? 8 : 0;
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(method, 8);
    header.writeUInt32LE(crc32(content), 14);
    header.writeUInt32LE(packed.length, 18);
    header.writeUInt32LE(content.length, 22);
    header.writeUInt16LE(title.length, 26);
    header.writeUInt16LE(extra.length, 28);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc32(content), 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(title.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(header, title, extra, packed);
    list.push(entry, title);
    at += header.length + title.length + extra.length + packed.length;
  });
  const end = Buffer.alloc(22);
  const listed = Buffer.concat(list);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, listed, end]);
}

export const bytesOf = (seed: number, length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) % 61));

/** The bytes of a wheel of these files, with its list of hashes; `lie`: a file whose hash is wrong there. */
export function wheelOf(
  name: string,
  version: string,
  files: Readonly<Record<string, Buffer>>,
  lie?: string,
): Buffer {
  const info = `${name}-${version}.dist-info`;
  const sum = (path: string, content: Buffer): string =>
    createHash('sha256')
      .update(path === lie ? 'another' : content)
      .digest('base64url');
  const record = Object.entries(files)
    .map(([path, content]) => `${path},sha256=${sum(path, content)},${content.length}`)
    .join('\n');
  return zipOf({
    ...files,
    [`${info}/METADATA`]: Buffer.from('Metadata-Version: 2.1\n'),
    [`${info}/RECORD`]: Buffer.from(`${record}\n${info}/RECORD,,\n`),
  });
}

export const providerFiles = {
  'onnxruntime/__init__.py': Buffer.from('print()\n'),
  'onnxruntime/capi/libonnxruntime.so.1.30.0': bytesOf(1, 5000),
  'onnxruntime/capi/libonnxruntime_providers_cuda.so': bytesOf(2, 300_000),
  'onnxruntime/capi/libonnxruntime_providers_shared.so': bytesOf(3, 700),
  'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': bytesOf(4, 900),
} as const;
export const providerName = (version = '1.30.0', platform = 'manylinux_2_28_x86_64'): string =>
  `onnxruntime_gpu-${version}-cp312-cp312-${platform}.whl`;

/** Writes the provider's wheel into `folder`; its path. */
export function writeProvider(
  folder: string,
  {
    version = '1.30.0',
    file = providerName(version),
    lie,
  }: { version?: string; file?: string; lie?: string } = {},
): string {
  const path = join(folder, file);
  writeFileSync(path, wheelOf('onnxruntime_gpu', version, providerFiles, lie));
  return path;
}
