/**
 * @file Reads token files of other programs as training text:
 *
 *     nanoGPT          tokens as uint16, without a header
 *     llm.c            256 int32 (magic number, version, tokens), then tokens as uint16 or uint32
 *     Megatron-LM      NAME.bin with tokens, NAME.idx with their type, sizes and documents
 *
 * Without an index of documents, each ends with the end-of-text token. The files do not say which tokenizer made them.
 */
import { stat } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import { exists, openRegularFile, readOrRefuse, readRegularFile } from '../fs/files.ts';
import type { DocumentPart } from './documents.ts';
import { headerLength, tokenFileMagic } from './token-files.ts';
import type { TextTokenizer } from './tokenizer.ts';

/** Where the tokens of a file are. */
export interface TokenLayout {
  readonly format: 'nanoGPT' | 'llm.c' | 'Megatron-LM' | 'Cambium';
  /** Bytes before the first token. */
  readonly offset: number;
  /** Bytes per token. */
  readonly width: 2 | 4;
  readonly tokens: number;
  /** The first token of each document; null if end-of-text tokens say so. */
  readonly documents: Float64Array | null;
}

/** The magic numbers of llm.c, with the bytes of a token. */
const magicNumbers: Readonly<Record<number, 2 | 4>> = { 20_240_520: 2, 20_240_801: 4 };
const headerBytes = headerLength * 4;
/** Types of Megatron-LM's index (megatron/core/datasets/indexed_dataset.py) that hold tokens. */
const megatronWidths: Readonly<Record<number, 2 | 4>> = { 4: 4, 8: 2 };
const megatronMagic = 'MMIDIDX\0\0';
const megatronHeaderBytes = 9 + 8 + 1 + 8 + 8;

/** Describes a token file. Refuses `data/bad-token-file`. */
export async function readTokenLayout(path: string): Promise<TokenLayout> {
  const { size } = await readOrRefuse(path, () => stat(path));
  const index = `${path.slice(0, -'.bin'.length)}.idx`;
  if (await exists(index)) return readMegatronIndex(path, index, size);
  if (/_document\.bin$/i.test(path))
    refuseFile(path, `${index} is missing, which says where its documents are`);
  const header = await readHeader(path);
  const [magic = 0, , tokens = 0, ownWidth = 0] = header;
  const isOwn = magic === tokenFileMagic;
  const width = isOwn ? ownWidth : magicNumbers[magic];
  if (width === 2 || width === 4) {
    if (size !== headerBytes + tokens * width)
      refuseFile(path, `its header says ${tokens} tokens, and it has ${size} bytes`);
    return { format: isOwn ? 'Cambium' : 'llm.c', offset: headerBytes, width, tokens, documents: null };
  }
  if (size % 2 !== 0) refuseFile(path, 'it has no header, and an odd number of bytes');
  return { format: 'nanoGPT', offset: 0, width: 2, tokens: size / 2, documents: null };
}

const refuseFile = (path: string, why: string): never => refuse('data/bad-token-file', { path, why });

async function readHeader(path: string): Promise<Int32Array> {
  const header = new Int32Array(4);
  const { file } = await openRegularFile(path);
  try {
    await readOrRefuse(path, () => file.read(new Uint8Array(header.buffer), 0, 16, 0));
  } finally {
    await file.close();
  }
  return header;
}

async function readMegatronIndex(path: string, indexPath: string, size: number): Promise<TokenLayout> {
  const bytes = await readRegularFile(indexPath);
  const fail = (why: string): never => refuseFile(indexPath, why);
  if (bytes.length < megatronHeaderBytes || bytes.toString('latin1', 0, 9) !== megatronMagic)
    fail('it is not an index of Megatron-LM');
  if (bytes.readBigUInt64LE(9) !== 1n) fail('its version is not 1');
  const code = bytes.readUInt8(17);
  const width = megatronWidths[code] ?? fail(`its tokens have type ${code}; only int32 and uint16 are read`);
  const sequences = Number(bytes.readBigUInt64LE(18));
  const documents = Number(bytes.readBigUInt64LE(26));
  const expected = megatronHeaderBytes + sequences * 12 + documents * 8;
  if (bytes.length !== expected) fail(`it has ${bytes.length} bytes, not ${expected}`);
  const pointers = megatronHeaderBytes + sequences * 4;
  const starts = new Float64Array(sequences + 1);
  for (let i = 0; i < sequences; i++) {
    const start = starts[i]!;
    if (Number(bytes.readBigInt64LE(pointers + i * 8)) !== start * width)
      fail('its sequences are not in order');
    starts[i + 1] = start + bytes.readInt32LE(megatronHeaderBytes + i * 4);
  }
  const tokens = starts[sequences]!;
  if (size !== tokens * width) fail(`it says ${tokens} tokens, and ${path} has ${size} bytes`);
  const firstOf = (i: number): number =>
    starts[Number(bytes.readBigInt64LE(pointers + sequences * 8 + i * 8))] ??
    fail('a document is outside of it');
  // The last entry is the end of the last document.
  const first = Float64Array.from({ length: Math.max(0, documents - 1) }, (_, i) => firstOf(i));
  return { format: 'Megatron-LM', offset: 0, width, tokens, documents: first };
}

/** A piece of a token file. */
export interface TokenPiece {
  readonly ids: readonly number[];
  /** Bytes of the file read so far. */
  readonly done: number;
}

const pieceTokens = 1 << 20;

/** Yields the tokens of a file. Refuses `data/token-range` for a token that the model does not have. */
export async function* readTokenPieces(
  path: string,
  { offset, width, tokens }: TokenLayout,
  vocabSize: number,
): AsyncGenerator<TokenPiece> {
  const { file } = await openRegularFile(path);
  try {
    for (let at = 0; at < tokens;) {
      const count = Math.min(pieceTokens, tokens - at);
      const bytes = new Uint8Array(count * width);
      const position = offset + at * width;
      const { bytesRead } = await readOrRefuse(path, () => file.read(bytes, 0, bytes.length, position));
      if (bytesRead !== bytes.length) refuseFile(path, 'it became shorter');
      const ids = [...(width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer))];
      const wrong = ids.findIndex((id) => id >= vocabSize);
      if (wrong >= 0) refuse('data/token-range', { path, token: ids[wrong]!, at: at + wrong, vocabSize });
      at += count;
      yield { ids, done: offset + at * width };
    }
  } finally {
    await file.close();
  }
}

/** The documents at the beginning of a token file, decoded. */
export async function* decodeTokenFile(path: string, tokenizer: TextTokenizer): AsyncGenerator<DocumentPart> {
  const layout = await readTokenLayout(path);
  for await (const { ids } of readTokenPieces(path, layout, tokenizer.vocabSize)) {
    for (let start = 0; start < ids.length;) {
      const end = ids.indexOf(tokenizer.eos ?? -1, start);
      const stop = end === -1 ? ids.length : end;
      const text = await tokenizer.decode(ids.slice(start, stop), { skipSpecialTokens: true });
      if (text !== '') yield { text, isFirst: true, isLast: true };
      start = stop + 1;
    }
    return;
  }
}

/** Tokens that are decoded to estimate the size of the text. */
const sampleTokens = 65_536;

/** Bytes of UTF-8 of the text, estimated from its first tokens. */
export async function estimateTextBytes(
  first: readonly number[],
  tokens: number,
  tokenizer: TextTokenizer,
): Promise<number> {
  const sample = first.slice(0, sampleTokens);
  if (sample.length === 0) return 0;
  const text = await tokenizer.decode(sample, { skipSpecialTokens: true });
  return Math.round((Buffer.byteLength(text) / sample.length) * tokens);
}
