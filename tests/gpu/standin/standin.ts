/** @file The ledger of the stand-in that this process runs on: reset it, read it, and limit the memory. */
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';

/** A row of the ledger. */
export interface Row {
  readonly count: number;
  /** Bytes, threads or FLOPs. */
  readonly amount: number;
}

/** What was asked of the device since the last reset, by name (see native/ledger.c). */
export type Ledger = ReadonlyMap<string, Row>;

/** Why the suite is skipped, as a sentence; undefined if this process runs on the stand-in. */
export const missing: string | undefined = process.env['CUDA_STANDIN']
  ? undefined
  : (process.env['CUDA_STANDIN_MISSING'] ?? 'npm run test:standin builds it before the tests start');

const unlimited = 2n ** 64n - 1n;

function bindFunctions(folder: string) {
  const library = koffi.load(join(folder, 'libstandin.so'));
  return {
    library,
    reset: library.func('void standin_reset()') as () => void,
    write: library.func('int standin_write(str)') as (path: string) => number,
    currentBytes: library.func('uint64_t standin_current_bytes()') as () => number,
    peakBytes: library.func('uint64_t standin_peak_bytes()') as () => number,
    setTotalBytes: library.func('void standin_set_total_bytes(uint64_t)') as (bytes: bigint | number) => void,
    setCopyLimit: library.func('void standin_set_copy_limit(uint64_t)') as (bytes: bigint | number) => void,
  };
}

let bound: ReturnType<typeof bindFunctions> | undefined;
const functions = (): ReturnType<typeof bindFunctions> =>
  (bound ??= bindFunctions(process.env['CUDA_STANDIN']!));

const file = join(tmpdir(), `cuda-standin-${process.pid}.tsv`);

function parseLedger(text: string): Ledger {
  const rows = new Map<string, Row>();
  for (const line of text.split('\n')) {
    const [count, amount, name] = line.split('\t');
    if (name === undefined) continue;
    // Two kernels may have one name.
    const same = rows.get(name) ?? { count: 0, amount: 0 };
    rows.set(name, { count: same.count + Number(count), amount: same.amount + Number(amount) });
  }
  return rows;
}

export const standin = {
  /** Sets every count to zero, and the peak to the current bytes. */
  reset: (): void => {
    functions().reset();
  },
  read(): Ledger {
    if (functions().write(file) !== 0) throw new Error(`${file} cannot be written`);
    const ledger = parseLedger(readFileSync(file, 'utf8'));
    rmSync(file);
    return ledger;
  },
  currentBytes: (): number => Number(functions().currentBytes()),
  peakBytes: (): number => Number(functions().peakBytes()),
  /** Runs `work` on a device of this many bytes. */
  async withMemory<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    functions().setTotalBytes(bytes);
    try {
      return await work();
    } finally {
      functions().setTotalBytes(141 * 2 ** 30);
    }
  },
  /** Only counts copies of more than `bytes` while `work` runs, so that large models take no host memory. */
  async withCopyLimit<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    functions().setCopyLimit(bytes);
    try {
      return await work();
    } finally {
      functions().setCopyLimit(unlimited);
    }
  },
};

/** Sum over the rows whose name starts with `prefix`. */
export function sumOf(ledger: Ledger, prefix: string): Row {
  let count = 0;
  let amount = 0;
  for (const [name, row] of ledger) {
    if (!name.startsWith(prefix)) continue;
    count += row.count;
    amount += row.amount;
  }
  return { count, amount };
}
