/**
 * @file Wheels from a package index on this machine: the right file of many, continued to the byte after a
 * break, kept only with the right hash.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { downloadWheel } from '../../../src-main/store/gpu/download.ts';
import { cudaPackages, cudaVersions } from '../../../src-main/store/gpu/packages.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';
import { bytesOf, providerName } from './wheels.ts';

const content = bytesOf(1, 200_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const cublasName = (version: string): string => `nvidia_cublas-${version}-py3-none-manylinux_2_27_x86_64.whl`;
/**
 * What the server does next: cut after so many bytes, ignore ranges, lie about the hash, answer with another
 * list.
 */
let mood: { cut?: number; whole?: boolean; lie?: boolean; status?: number; list?: unknown } = {};
let asked: (string | undefined)[] = [];
const server: Server = createServer((request, response) => {
  if (mood.status) {
    response.writeHead(mood.status).end();
    return;
  }
  if ('list' in mood) {
    response.end(JSON.stringify(mood.list));
    return;
  }
  const file = (filename: string, more = {}) => ({
    filename,
    url: `../../files/${filename}`,
    hashes: { sha256: mood.lie ? '0'.repeat(64) : sha256 },
    ...more,
  });
  if (request.url === '/simple/nvidia-cublas/') {
    response.end(
      JSON.stringify({
        files: ['12.9.0.1', '13.9.0.1', '13.10.0.20', '13.11.0rc1', '14.0.0.1', '130.0.0'].map((version) =>
          file(cublasName(version)),
        ),
      }),
    );
    return;
  }
  if (request.url === '/simple/onnxruntime-gpu/') {
    expect(request.headers.accept).toBe('application/vnd.pypi.simple.v1+json');
    response.end(
      JSON.stringify({
        files: [
          file(providerName('1.29.0')),
          file(providerName('1.30.0', 'win_amd64')),
          file(providerName('1.30.0', 'manylinux_2_28_aarch64')),
          file(providerName('1.30.0')),
          file('onnxruntime-gpu-1.30.0.tar.gz'),
          file(providerName('1.31.0')),
          file(providerName('1.4.0')),
          file(providerName('1.32.0'), { yanked: true }),
        ],
      }),
    );
    return;
  }
  asked.push(request.headers.range);
  const from = mood.whole ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const body = content.subarray(from);
  if (from >= content.length) {
    response.writeHead(416).end();
    return;
  }
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length });
  const { cut } = mood;
  if (cut === undefined) {
    response.end(body);
    return;
  }
  mood = {};
  response.write(body.subarray(0, cut), () => {
    setTimeout(() => {
      response.destroy();
    }, 20);
  });
});
await new Promise<void>((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
afterAll(() => {
  server.close();
});
beforeEach(() => {
  mood = {};
  asked = [];
});

const options = { arch: 'x64' };
const get = (folder: string, version: string | undefined = '1.30.0'): Promise<string> =>
  downloadWheel(index, 'onnxruntime-gpu', version, folder, options);

it('takes the wheel of the version and of this machine; without a version the newest that was not withdrawn', async () => {
  const folder = freshFolder('wheels');
  const path = await get(folder);
  expect([path, readFileSync(path).equals(content)]).toEqual([join(folder, providerName('1.30.0')), true]);
  expect(await downloadWheel(index, 'onnxruntime-gpu', undefined, folder, options)).toBe(
    join(folder, providerName('1.31.0')),
  );
  expect(await downloadWheel(index, 'onnxruntime-gpu', undefined, folder, { arch: 'arm64' })).toBe(
    join(folder, providerName('1.30.0', 'manylinux_2_28_aarch64')),
  );
});

it("takes CUDA's libraries of the versions that hold what is asked for", async () => {
  expect(Object.fromEntries(cudaPackages.map((name) => [name, cudaVersions(name)]))).toEqual({
    'nvidia-cuda-runtime': '13.*',
    'nvidia-cublas': '13.*',
    'nvidia-curand': '10.*',
    'nvidia-cufft': '12.*',
    'nvidia-cudnn-cu13': '9.*',
  });
  const folder = freshFolder('wheels');
  expect(await downloadWheel(index, 'nvidia-cublas', cudaVersions('nvidia-cublas'), folder, options)).toBe(
    join(folder, cublasName('13.10.0.20')),
  );
});

it.each<[unknown]>([
  [null],
  [3],
  [[]],
  [{}],
  [{ files: null }],
  [{ files: [null, {}, { filename: providerName() }] }],
])('refuses a list that is none: %j', async (list) => {
  mood = { list };
  await refusal('gpu/download', () => get(freshFolder('wheels')));
});

it('goes on where it broke off, to the byte', async () => {
  const folder = freshFolder('wheels');
  const told: number[] = [];
  mood = { cut: 70_000 };
  expect(await refusal('gpu/download', () => get(folder))).toMatchObject({
    detail: { why: expect.stringContaining('goes on from there') as string },
  });
  const have = readFileSync(join(folder, `${providerName()}.part`)).length;
  expect(have).toBeGreaterThan(0);
  const path = await downloadWheel(index, 'onnxruntime-gpu', '1.30.0', folder, {
    ...options,
    onProgress: (_, done, of) => {
      told.push(done);
      expect(of).toBe(content.length);
    },
  });
  expect(asked).toEqual([undefined, `bytes=${have}-`]);
  expect(told[0]).toBeGreaterThan(have);
  expect([told.at(-1), readFileSync(path).equals(content), existsSync(`${path}.part`)]).toEqual([
    content.length,
    true,
    false,
  ]);
  asked = [];
  expect([await get(folder), asked]).toEqual([path, []]);
});

it('begins again where the part is of other bytes, or the server sends all of it', async () => {
  const folder = freshFolder('wheels');
  writeFileSync(join(folder, `${providerName()}.part`), bytesOf(7, 500));
  expect(readFileSync(await get(folder)).equals(content)).toBe(true);
  expect(asked).toEqual(['bytes=500-', undefined]);
  const other = freshFolder('wheels');
  writeFileSync(join(other, `${providerName()}.part`), content.subarray(0, 900));
  mood = { whole: true };
  expect(readFileSync(await get(other)).equals(content)).toBe(true);
});

it('keeps nothing whose hash is wrong', async () => {
  const folder = freshFolder('wheels');
  mood = { lie: true };
  expect(await refusal('gpu/download', () => get(folder))).toMatchObject({
    detail: { why: 'its SHA-256 is not what the index says' },
  });
  expect([
    existsSync(join(folder, providerName())),
    existsSync(join(folder, `${providerName()}.part`)),
  ]).toEqual([false, false]);
});

it.each<[string, () => Promise<unknown>, string]>([
  ['has no such version', () => get(freshFolder('wheels'), '1.28.0'), 'the index has no such wheel'],
  [
    'answers with an error',
    () => {
      mood = { status: 503 };
      return get(freshFolder('wheels'));
    },
    'answers 503',
  ],
  [
    'is not there',
    () =>
      downloadWheel('http://127.0.0.1:9/simple', 'onnxruntime-gpu', '1.30.0', freshFolder('wheels'), options),
    'does not answer',
  ],
])('says so when the index %s', async (_, work, why) => {
  expect(await refusal('gpu/download', work)).toMatchObject({
    detail: { why: expect.stringContaining(why) as string },
  });
});

it('is cancelled, and what came is kept', async () => {
  const folder = freshFolder('wheels');
  const stop = new AbortController();
  await refusal('cancelled', () =>
    downloadWheel(index, 'onnxruntime-gpu', '1.30.0', folder, {
      ...options,
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    }),
  );
  expect(readFileSync(join(folder, `${providerName()}.part`)).length).toBeGreaterThan(0);
});
