/**
 * @file One text file to one folder of tokens: read once, encoded piece by piece, cached by what decides the
 * tokens. Runs in the worker of `tokenize-worker.ts`.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, reading, writeJson, writing } from '../fs/files.ts';
import { removeFolder, writeFolder } from '../fs/folder.ts';
import { formatOf } from './sources.ts';
import { documentPieces, splitRule, usualField } from './text.ts';
import type { TextTokenizer } from './tokenizer.ts';
import { headerInts, magic, mostTokens, type TokenSummary } from './token-files.ts';

export interface TokenizeOptions {
  /**
   * Rows of the model's token table, which the tokenizer was opened with: decides the width of a token in the
   * file.
   */
  readonly vocab: number;
  readonly cache: string;
  /** The column or JSON field that holds the text, for files that have such. */
  readonly field?: string | undefined;
  readonly signal?: AbortSignal;
  /** Bytes of text that are done. */
  readonly onBytes?: (done: number) => void;
  /** Tokens of one file; the format's own limit when absent. */
  readonly most?: number;
}

/** The folder that holds the tokens of `path`, made if it is not there. */
export async function tokenizeFile(
  path: string,
  tokenizer: TextTokenizer,
  { vocab, cache, field = usualField, signal, onBytes, most = mostTokens }: TokenizeOptions,
): Promise<{ folder: string; cached: boolean }> {
  const width = vocab > 65_536 ? 4 : 2;
  const content = await hashOf(path, signal);
  const key = createHash('sha256')
    .update([content, tokenizer.hash, splitRule, formatOf(path), field, width, vocab, most].join('\n'))
    .digest('hex')
    .slice(0, 32);
  const folder = join(cache, key);
  const made = (): Promise<boolean> => exists(join(folder, 'tokens.json'));
  if (await exists(folder)) {
    if (await made()) return { folder, cached: true };
    await removeFolder(folder); // folders come whole: this one was damaged since
  }
  const work = writeFolder(folder, async (temporary) => {
    let text = 0;
    let documents = 0;
    const tokens = tokenStream(temporary, width, most);
    const starts = await numberStream(join(temporary, 'documents.bin'));
    try {
      for await (const piece of documentPieces(path, (done) => onBytes?.(done), { field, signal })) {
        if (signal?.aborted) refuse('cancelled', { what: 'tokenizing' });
        if (piece.first) {
          await starts.add(Float64Array.of(tokens.count()));
          documents++;
          await tokens.add(tokenizer.frame.before);
        }
        const ids = piece.first
          ? tokenizer.encode(piece.text, { special: false })
          : tokenizer.encodeOn(piece.text);
        await tokens.add(ids);
        text += Buffer.byteLength(piece.text);
        if (piece.last) await tokens.add(tokenizer.frame.after);
      }
      if (documents === 0) refuse('data/empty', { path, tokens: 0, needed: 1 });
      if ((await hashOf(path, signal)) !== content)
        refuse('file/unreadable', { path, why: 'it changed while it was read' });
      await starts.end();
    } finally {
      await starts.close();
      await tokens.close();
    }
    const summary: TokenSummary = {
      version: 1,
      text: path,
      sha256: content,
      tokenizer: tokenizer.hash,
      rule: splitRule,
      width,
      tokens: tokens.count(),
      documents,
      bytes: text,
      parts: tokens.parts(),
    };
    await writeJson(join(temporary, 'tokens.json'), summary);
  });
  // Whoever makes the same tokens at the same time is as right: the first to be done stays, because the other
  // may be read already.
  return work.then(
    () => ({ folder, cached: false }),
    async (error: unknown) => {
      if ((error as { code?: string }).code === 'file/exists' && (await made()))
        return { folder, cached: true };
      throw error;
    },
  );
}

async function hashOf(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await reading(path, async () => {
    for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 })) {
      if (signal?.aborted) return;
      hash.update(bytes as Buffer);
    }
  });
  return signal?.aborted ? refuse('cancelled', { what: 'reading the text' }) : hash.digest('hex');
}

/** Numbers appended to a file through a buffer. */
async function numberStream(
  path: string,
  head = 0,
): Promise<{
  add(values: Uint16Array | Uint32Array | Float64Array): Promise<void>;
  end(header?: Int32Array): Promise<void>;
  close(): Promise<void>;
}> {
  const file: FileHandle = await writing(path, () => open(path, 'wx'));
  const buffer = Buffer.allocUnsafe(1 << 20);
  let at = head;
  let filled = 0;
  let closed = false;
  const flush = async (): Promise<void> => {
    for (let done = 0; done < filled;)
      done += (await writing(path, () => file.write(buffer, done, filled - done, at + done))).bytesWritten;
    at += filled;
    filled = 0;
  };
  const close = async (): Promise<void> => {
    if (!closed) {
      closed = true;
      await file.close();
    }
  };
  return {
    async add(values) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      for (let done = 0; done < bytes.byteLength;) {
        const take = Math.min(buffer.length - filled, bytes.byteLength - done);
        buffer.set(bytes.subarray(done, done + take), filled);
        filled += take;
        done += take;
        if (filled === buffer.length) await flush();
      }
    },
    async end(header) {
      await flush();
      if (header)
        await writing(path, () => file.write(new Uint8Array(header.buffer), 0, header.byteLength, 0));
      await close();
    },
    close,
  };
}

/**
 * Tokens into `tokens-00000.bin` and on: a file that is full is closed with its header, and the next begins.
 */
function tokenStream(
  dir: string,
  width: 2 | 4,
  most: number,
): {
  add(ids: readonly number[]): Promise<void>;
  count(): number;
  parts(): TokenSummary['parts'];
  close(): Promise<void>;
} {
  const parts: { file: string; tokens: number }[] = [];
  let current: Awaited<ReturnType<typeof numberStream>> | undefined;
  let total = 0;
  const seal = async (): Promise<void> => {
    const header = new Int32Array(headerInts);
    header.set([magic, 1, parts.at(-1)?.tokens ?? 0, width]);
    await current?.end(header);
    current = undefined;
  };
  return {
    async add(ids) {
      for (let at = 0; at < ids.length;) {
        if (!current) {
          const file = `tokens-${String(parts.length).padStart(5, '0')}.bin`;
          current = await numberStream(join(dir, file), headerInts * 4);
          parts.push({ file, tokens: 0 });
        }
        const part = parts.at(-1)!;
        const take = Math.min(ids.length - at, most - part.tokens);
        const some = ids.slice(at, at + take);
        await current.add(width === 2 ? Uint16Array.from(some) : Uint32Array.from(some));
        part.tokens += take;
        total += take;
        at += take;
        if (part.tokens === most) await seal();
      }
    },
    count: () => total,
    parts: () => parts,
    close: seal,
  };
}
