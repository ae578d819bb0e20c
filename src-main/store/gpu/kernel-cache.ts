/**
 * @file What Cambium's folder keeps of its CUDA kernels: machine code by a hash of everything that it is made from, and
 * the results of self-tests by device, driver and kernels.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readStored, updateStored } from '../home/stored-list.ts';

export const hashText = (...texts: readonly string[]): string =>
  createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 32);

const hashBytes = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const kernelFolder = (home: string): string => join(home, 'kernels');

const storedCode = z.object({ kernel: z.string(), hash: z.string(), code: z.base64() });

/** Returns the machine code kept under `key`; undefined if there is none, or if it was damaged. */
export async function readMachineCode(home: string, key: string): Promise<Uint8Array | undefined> {
  const stored = await readStored(join(kernelFolder(home), `${key}.json`), storedCode);
  if (!stored) return undefined;
  const code = Buffer.from(stored.code, 'base64');
  return hashBytes(code) === stored.hash ? code : undefined;
}

export const writeMachineCode = (
  home: string,
  key: string,
  kernel: string,
  code: Uint8Array,
): Promise<void> =>
  updateStored(join(kernelFolder(home), `${key}.json`), storedCode, () => ({
    kernel,
    hash: hashBytes(code),
    code: Buffer.from(code).toString('base64'),
  }));

/** By group of kernels: null if it passed, otherwise why it is not used. */
export type SelfTestResults = Readonly<Record<string, string | null>>;

/** A self-test on a device, in the precision of a run. */
export interface SelfTest {
  readonly device: string;
  readonly precision: string;
  readonly results: SelfTestResults;
}

/** By a hash of all that a result depends on. */
const storedTests = z.record(
  z.string(),
  z.object({
    device: z.string(),
    precision: z.string(),
    results: z.record(z.string(), z.string().nullable()),
  }),
);

const testsFile = (home: string): string => join(kernelFolder(home), 'self-tests.json');

const readTests = async (home: string): Promise<z.infer<typeof storedTests>> =>
  (await readStored(testsFile(home), storedTests)) ?? {};

/** Returns the results of a self-test; undefined if it was not made yet. */
export const readSelfTest = async (home: string, key: string): Promise<SelfTestResults | undefined> =>
  (await readTests(home))[key]?.results;

/** Returns the newest self-test of each device and precision. */
export const readSelfTests = async (home: string): Promise<readonly SelfTest[]> =>
  Object.values(await readTests(home));

/** Replaces the earlier self-test of the same device and precision. */
export const writeSelfTest = (home: string, key: string, test: SelfTest): Promise<void> =>
  updateStored(testsFile(home), storedTests, (before) => {
    const others = Object.entries(before ?? {}).filter(
      ([, { device, precision }]) => device !== test.device || precision !== test.precision,
    );
    return { ...Object.fromEntries(others), [key]: { ...test, results: { ...test.results } } };
  });
