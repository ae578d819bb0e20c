/**
 * @file safetensors files: a header read with suspicion, byte ranges read in place, and a writer that knows
 * all offsets before the first byte. Format: github.com/huggingface/safetensors.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import { bytesOf, dtypes, type DType } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { isObject, readFailure, writing } from '../fs/files.ts';
import { createSequential } from '../fs/sequential-file.ts';

/** One tensor of a file. `dtype` is the file's own word; `start` counts from the file's first byte. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly bytes: number;
}
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly bytes: number;
}

/** Bits of one element, for every dtype a file may name. */
const bits: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
};
/** The library's own limit. */
export const longestHeader = 100_000_000;
/** Reads are cut into slices of this many bytes: the system's calls take at most 2 GiB. */
const slice = 1 << 26;

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Fills `into` from byte `start` on; a file that ends before that is refused. */
export async function readInto(
  file: FileHandle,
  path: string,
  start: number,
  into: Uint8Array,
): Promise<void> {
  for (let done = 0; done < into.byteLength;) {
    const { bytesRead } = await file.read(into, done, Math.min(slice, into.byteLength - done), start + done);
    if (bytesRead === 0)
      refuse('safetensors/truncated', { path, expected: start + into.byteLength, found: start + done });
    done += bytesRead;
  }
}

async function opened<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  try {
    const file = await open(path, 'r');
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** Fills `into` with the bytes of `path` from `start` on. */
export const readBytes = (path: string, start: number, into: Uint8Array): Promise<void> =>
  opened(path, (file) => readInto(file, path, start, into));

/** What a file holds, without its weights. Every number is checked; tensors must cover the file exactly. */
export const readHeader = (path: string): Promise<SafetensorsHeader> =>
  opened(path, async (file) => {
    const bad = (why: string): never => refuse('safetensors/bad-header', { path, why });
    const { size } = await file.stat();
    if (size < 8) return refuse('safetensors/truncated', { path, expected: 8, found: size });
    const first = Buffer.alloc(8);
    await readInto(file, path, 0, first);
    if (first.toString('latin1') === 'version ') return bad('it is a Git LFS pointer, not the file itself');
    const length = first.readBigUInt64LE();
    if (length > BigInt(longestHeader))
      return bad(`its length is ${length} bytes, above the limit of ${longestHeader}`);
    const body = 8 + Number(length);
    if (size < body) return refuse('safetensors/truncated', { path, expected: body, found: size });
    const text = Buffer.alloc(Number(length));
    await readInto(file, path, 8, text);
    const { entries, metadata, end } = parseHeader(text, body, bad);
    if (size < end) return refuse('safetensors/truncated', { path, expected: end, found: size });
    if (size > end) return bad(`${size - end} bytes follow the last tensor`);
    return { entries, metadata, bytes: size };
  });

/**
 * The tensors that a header's JSON names; `body` is the file's first byte after it. Every number is checked,
 * `bad` refuses.
 */
export function parseHeader(
  text: Uint8Array,
  body: number,
  bad: (why: string) => never,
): { entries: Map<string, SafetensorsEntry>; metadata: Record<string, string>; end: number } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    return bad('it is not JSON');
  }
  if (!isObject(header)) return bad('it is not an object');
  const metadata: Record<string, string> = {};
  const found: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (!isObject(value)) return bad(`"${name}" is not an object`);
    if (name === '__metadata__') {
      for (const [key, word] of Object.entries(value))
        metadata[key] = typeof word === 'string' ? word : bad(`__metadata__ "${key}" is not text`);
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = value;
    if (typeof dtype !== 'string' || !Object.hasOwn(bits, dtype))
      return bad(`"${name}" has the unknown dtype ${JSON.stringify(dtype)}`);
    if (!Array.isArray(shape) || !shape.every(whole))
      return bad(`"${name}" has the shape ${JSON.stringify(shape)}`);
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
      return bad(`"${name}" has the offsets ${JSON.stringify(offsets)}`);
    const [start, end] = offsets as [number, number];
    const count = (shape as number[]).reduce(
      (n, side) => (whole(n * side) ? n * side : bad(`the shape of "${name}" is too large`)),
      1,
    );
    if (end < start || !whole(body + end)) return bad(`"${name}" ends before it starts, or too far`);
    if (BigInt(count) * BigInt(bits[dtype]!) !== BigInt(end - start) * 8n)
      return bad(`"${name}" is [${(shape as number[]).join(', ')}] of ${dtype} but has ${end - start} bytes`);
    found.push({ name, dtype, shape: shape as number[], start: body + start, bytes: end - start });
  }
  found.sort((a, b) => a.start - b.start || a.bytes - b.bytes);
  let end = body;
  for (const entry of found) {
    if (entry.start < end) return bad(`"${entry.name}" overlaps the tensor before it`);
    if (entry.start > end) return bad(`there is a hole of ${entry.start - end} bytes before "${entry.name}"`);
    end += entry.bytes;
  }
  return { entries: new Map(found.map((entry) => [entry.name, entry])), metadata, end };
}

export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Tensors as the library orders them: wider dtypes first (of two halves bfloat16), then by name. */
export const inFileOrder = <T extends SafetensorsTensor>(tensors: readonly T[]): readonly T[] => {
  const rank: readonly DType[] = ['int64', 'float64', 'float32', 'int32', 'bfloat16', 'float16', 'bool'];
  return [...tensors].sort(
    (a, b) =>
      rank.indexOf(a.dtype) - rank.indexOf(b.dtype) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
};

/** The header's bytes, padded with spaces so that the first tensor starts at a multiple of 8. */
export function headerBytes(
  ordered: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let at = 0;
  const entries = ordered.map(
    ({ name, dtype, shape }) =>
      [
        name,
        {
          dtype: dtypes[dtype].safetensors,
          shape,
          data_offsets: [at, (at += bytesOf(dtype, countOf(shape)))],
        },
      ] as const,
  );
  const json = `{${[['__metadata__', metadata] as const, ...entries].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`;
  const text = Buffer.from(json, 'utf8');
  const padded = Math.ceil(text.length / 8) * 8;
  const out = Buffer.alloc(8 + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded));
  text.copy(out, 8);
  return out;
}

export interface SafetensorsWriter {
  /** The names in the order in which they must be written. */
  readonly order: readonly string[];
  /** Of the whole file. */
  readonly bytes: number;
  /** The next bytes of `name`, in as many pieces as the caller likes. */
  write(name: string, chunk: Uint8Array): Promise<void>;
  /** Every byte must have come; the file is on the disk afterwards. */
  finish(): Promise<void>;
  abort(): Promise<void>;
}

/** A new file at `path`; its length is fixed by `tensors` before the first byte. */
export async function createSafetensors(
  path: string,
  tensors: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<SafetensorsWriter> {
  const ordered = inFileOrder(tensors);
  const head = headerBytes(ordered, metadata);
  const lengths = ordered.map(({ dtype, shape }) => bytesOf(dtype, countOf(shape)));
  const bytes = lengths.reduce((a, b) => a + b, head.length);
  if (
    new Set(ordered.map((t) => t.name)).size !== ordered.length ||
    ordered.some((t) => t.name === '__metadata__')
  )
    throw new RangeError('a tensor name is used twice');
  const file = await writing(path, () => createSequential(path, bytes), bytes);
  let place = 0;
  let filled = 0;
  const append = (chunk: Uint8Array): Promise<void> => writing(path, () => file.write(chunk), bytes);
  try {
    await append(head);
  } catch (error) {
    await file.abort();
    throw error;
  }
  const skipFull = (): void => {
    while (place < ordered.length && filled === lengths[place]) {
      place++;
      filled = 0;
    }
  };
  skipFull();
  return {
    order: ordered.map((t) => t.name),
    bytes,
    async write(name, chunk) {
      if (chunk.byteLength === 0) return;
      const expected = ordered[place]?.name;
      if (name !== expected)
        throw new RangeError(`${path}: ${name} was written where ${expected ?? 'the end'} was due`);
      if (filled + chunk.byteLength > lengths[place]!)
        throw new RangeError(`${path}: too many bytes for ${name}`);
      filled += chunk.byteLength;
      await append(chunk);
      skipFull();
    },
    async finish() {
      if (place < ordered.length) {
        await file.abort();
        throw new RangeError(`${path}: ${ordered[place]!.name} is not complete`);
      }
      await writing(path, () => file.finish(), bytes);
    },
    abort: () => file.abort(),
  };
}
