import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { downloadWheel } from '../../../src-main/store/gpu/download.ts';
import { knownWheels } from '../../../src-main/store/gpu/known-wheels.ts';
import {
  acceptedPackages,
  cudaPackages,
  getCudaVersionPattern,
  parseWheelName,
} from '../../../src-main/store/gpu/packages.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createBytes, getProviderFileName } from './wheels.ts';

const content = createBytes(1, 200_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const cublasName = (version: string): string => `nvidia_cublas-${version}-py3-none-manylinux_2_27_x86_64.whl`;

/** How the server fails. */
interface Fault {
  /** Closes the next download after this many bytes. */
  readonly cutAfter?: number;
  readonly ignoresRanges?: boolean;
  readonly givesWrongHash?: boolean;
  readonly status?: number;
  /** Returned instead of the list of files. */
  readonly list?: unknown;
}
let fault: Fault = {};
/** The range header of each download. */
let ranges: (string | undefined)[] = [];
const describeFile = (filename: string, more = {}): object => ({
  filename,
  url: `../../files/${filename}`,
  hashes: { sha256: fault.givesWrongHash ? '0'.repeat(64) : sha256 },
  ...more,
});

/** The lists of files by path. */
const lists: Readonly<Record<string, () => readonly object[]>> = {
  '/simple/nvidia-cublas/': () =>
    ['12.9.0.1', '13.9.0.1', '13.10.0.20', '13.11.0rc1', '14.0.0.1', '130.0.0'].map((version) =>
      describeFile(cublasName(version)),
    ),
  '/simple/onnxruntime-gpu/': () => [
    describeFile(getProviderFileName('1.29.0')),
    describeFile(getProviderFileName('1.30.0', 'win_amd64')),
    describeFile(getProviderFileName('1.30.0', 'manylinux_2_28_aarch64')),
    describeFile(getProviderFileName('1.30.0')),
    describeFile('onnxruntime-gpu-1.30.0.tar.gz'),
    describeFile(getProviderFileName('1.31.0')),
    describeFile(getProviderFileName('1.4.0')),
    describeFile(getProviderFileName('1.32.0'), { yanked: true }),
  ],
};

function sendFile(range: string | undefined, response: ServerResponse): void {
  ranges.push(range);
  const start = fault.ignoresRanges ? 0 : Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  if (start >= content.length) {
    response.writeHead(416).end();
    return;
  }
  const body = content.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, { 'content-length': body.length });
  const { cutAfter } = fault;
  if (cutAfter === undefined) {
    response.end(body);
    return;
  }
  fault = {};
  response.write(body.subarray(0, cutAfter), () => {
    setTimeout(() => {
      response.destroy();
    }, 20);
  });
}

const server: Server = createServer((request, response) => {
  const list = lists[request.url!];
  if (fault.status) response.writeHead(fault.status).end();
  else if ('list' in fault) response.end(JSON.stringify(fault.list));
  else if (!list) sendFile(request.headers.range, response);
  else {
    expect(request.headers.accept).toBe('application/vnd.pypi.simple.v1+json');
    response.end(JSON.stringify({ files: list() }));
  }
});
await new Promise<void>((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const index = `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
afterAll(() => {
  server.close();
});
beforeEach(() => {
  fault = {};
  ranges = [];
});

const options = { arch: 'x64' };
const downloadProvider = (folder: string, version: string | undefined = '1.30.0'): Promise<string> =>
  downloadWheel(index, 'onnxruntime-gpu', version, folder, options);

describe('downloadWheel', () => {
  it('downloads the wheel for this machine, of the given version or the newest that is not yanked', async () => {
    const folder = freshFolder('wheels');
    const path = await downloadProvider(folder);
    expect([path, readFileSync(path).equals(content)]).toEqual([
      join(folder, getProviderFileName('1.30.0')),
      true,
    ]);
    expect(await downloadWheel(index, 'onnxruntime-gpu', undefined, folder, options)).toBe(
      join(folder, getProviderFileName('1.31.0')),
    );
    expect(await downloadWheel(index, 'onnxruntime-gpu', undefined, folder, { arch: 'arm64' })).toBe(
      join(folder, getProviderFileName('1.30.0', 'manylinux_2_28_aarch64')),
    );
  });

  it("downloads the newest version of CUDA's libraries that matches their names", async () => {
    expect(Object.fromEntries(cudaPackages.map((name) => [name, getCudaVersionPattern(name)]))).toEqual({
      'nvidia-cuda-runtime': '13.*',
      'nvidia-cuda-nvrtc': '13.*',
      'nvidia-cublas': '13.*',
      'nvidia-curand': '10.*',
      'nvidia-cudnn-cu13': '9.*',
    });
    const folder = freshFolder('wheels');
    expect(
      await downloadWheel(index, 'nvidia-cublas', getCudaVersionPattern('nvidia-cublas'), folder, options),
    ).toBe(join(folder, cublasName('13.10.0.20')));
  });

  it.each<[unknown]>([
    [null],
    [3],
    [[]],
    [{}],
    [{ files: null }],
    [{ files: [null, {}, { filename: getProviderFileName() }] }],
  ])('refuses an invalid list of files: %j', async (list) => {
    fault = { list };
    await expectAppError('gpu/download', () => downloadProvider(freshFolder('wheels')));
  });

  it('resumes a broken download at the same byte', async () => {
    const folder = freshFolder('wheels');
    const progress: number[] = [];
    fault = { cutAfter: 70_000 };
    expect(await expectAppError('gpu/download', () => downloadProvider(folder))).toMatchObject({
      detail: { why: expect.stringContaining('the next try resumes') as string },
    });
    const present = readFileSync(join(folder, `${getProviderFileName()}.part`)).length;
    expect(present).toBeGreaterThan(0);
    const path = await downloadWheel(index, 'onnxruntime-gpu', '1.30.0', folder, {
      ...options,
      onProgress: (_, done, of) => {
        progress.push(done);
        expect(of).toBe(content.length);
      },
    });
    expect(ranges).toEqual([undefined, `bytes=${present}-`]);
    expect(progress[0]).toBeGreaterThan(present);
    expect([progress.at(-1), readFileSync(path).equals(content), existsSync(`${path}.part`)]).toEqual([
      content.length,
      true,
      false,
    ]);
    ranges = [];
    expect([await downloadProvider(folder), ranges]).toEqual([path, []]);
  });

  it('starts again after a partial file of another wheel, and from a server without range requests', async () => {
    const folder = freshFolder('wheels');
    writeFileSync(join(folder, `${getProviderFileName()}.part`), createBytes(7, 500));
    expect(readFileSync(await downloadProvider(folder)).equals(content)).toBe(true);
    expect(ranges).toEqual(['bytes=500-', undefined]);
    const other = freshFolder('wheels');
    writeFileSync(join(other, `${getProviderFileName()}.part`), content.subarray(0, 900));
    fault = { ignoresRanges: true };
    expect(readFileSync(await downloadProvider(other)).equals(content)).toBe(true);
  });

  it('keeps no wheel with a wrong hash', async () => {
    const folder = freshFolder('wheels');
    fault = { givesWrongHash: true };
    expect(await expectAppError('gpu/download', () => downloadProvider(folder))).toMatchObject({
      detail: { why: 'its SHA-256 differs from the index' },
    });
    expect([
      existsSync(join(folder, getProviderFileName())),
      existsSync(join(folder, `${getProviderFileName()}.part`)),
    ]).toEqual([false, false]);
  });

  it('refuses another wheel under the name of one that this release knows', async () => {
    const [known] = Object.keys(knownWheels).filter((name) => name.includes('x86_64'));
    fault = { list: { files: [describeFile(known!)] } };
    const { name, version } = parseWheelName(known!)!;
    const work = (): Promise<unknown> => downloadWheel(index, name, version, freshFolder('wheels'), options);
    expect(await expectAppError('gpu/download', work)).toMatchObject({
      detail: { why: expect.stringContaining('another SHA-256') as string },
    });
    expect(ranges).toEqual([]);
  });

  it('knows the provider for this platform, by names that it parses', () => {
    const names = Object.keys(knownWheels).map((file) => parseWheelName(file)!.name);
    expect(new Set(names)).toEqual(new Set(acceptedPackages));
    for (const hash of Object.values(knownWheels)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('ignores a file whose name is a path', async () => {
    const path = 'onnxruntime_gpu-1.30.0/../../x-cp399-cp399-manylinux_2_28_x86_64.whl';
    fault = { list: { files: [describeFile(path)] } };
    expect(await expectAppError('gpu/download', () => downloadProvider(freshFolder('wheels')))).toMatchObject(
      {
        detail: { why: 'the index has no matching wheel for this machine' },
      },
    );
  });

  it.each([
    ['the index', 'http://packages.example/simple', undefined],
    ['a file of the index', index, 'http://packages.example/x.whl'],
  ])('refuses %s over http', async (_, from, url) => {
    if (url) fault = { list: { files: [describeFile(getProviderFileName(), { url })] } };
    const work = (): Promise<unknown> =>
      downloadWheel(from, 'onnxruntime-gpu', '1.30.0', freshFolder('wheels'), options);
    expect(await expectAppError('gpu/download', work)).toMatchObject({
      detail: { why: 'packages.example is not read over https' },
    });
  });

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'has no such version',
      () => downloadProvider(freshFolder('wheels'), '1.28.0'),
      'the index has no matching wheel',
    ],
    [
      'returns an error',
      () => {
        fault = { status: 503 };
        return downloadProvider(freshFolder('wheels'));
      },
      'returned status 503',
    ],
    [
      'cannot be reached',
      () =>
        downloadWheel(
          'http://127.0.0.1:9/simple',
          'onnxruntime-gpu',
          '1.30.0',
          freshFolder('wheels'),
          options,
        ),
      'cannot connect to 127.0.0.1:9',
    ],
  ])('refuses when the index %s', async (_, work, why) => {
    expect(await expectAppError('gpu/download', work)).toMatchObject({
      detail: { why: expect.stringContaining(why) as string },
    });
  });

  it('keeps what has arrived when it is cancelled', async () => {
    const folder = freshFolder('wheels');
    const stop = new AbortController();
    await expectAppError('cancelled', () =>
      downloadWheel(index, 'onnxruntime-gpu', '1.30.0', folder, {
        ...options,
        signal: stop.signal,
        onProgress: () => {
          stop.abort();
        },
      }),
    );
    expect(readFileSync(join(folder, `${getProviderFileName()}.part`)).length).toBeGreaterThan(0);
  });
});
