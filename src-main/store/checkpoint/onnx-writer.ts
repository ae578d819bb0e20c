/**
 * @file A folder with an ONNX file: written beside its place weight by weight, looked at there, and renamed
 * when it is found good.
 */
import { chmod, copyFile, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sideFilesOf } from './checkpoint-writer.ts';
import { writing } from '../fs/files.ts';
import { beginFolder, underFinalName } from '../fs/folder.ts';
import { writeAt } from '../fs/sequential-file.ts';

export interface OnnxWriterOptions {
  readonly target: string;
  /** Bytes of the file of weights, and of what is written beside it. */
  readonly weights: number;
  readonly others: number;
  /** The name of the file of weights. */
  readonly weightsFile: string;
  /** The folder whose tokenizer, licence and generation settings are copied. */
  readonly sideFilesFrom: string;
}

export interface OnnxWriter {
  /** The folder while it is being written. */
  readonly temporary: string;
  /** Writes one weight at its place. */
  weight(values: Float32Array, offset: number): Promise<void>;
  /** Ends the weights and adds files; one whose name is among `unless` only where the source had none. */
  files(contents: Readonly<Record<string, string | Uint8Array>>, unless?: readonly string[]): Promise<void>;
  /** Gives the folder its name; the names of its files. */
  commit(): Promise<readonly string[]>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
  /** An error about the unfinished folder, told with its final name. */
  told(error: unknown): unknown;
}

/** Refuses an existing target and a disk without room. */
export async function createOnnxWriter({
  target,
  weights,
  others,
  weightsFile,
  sideFilesFrom,
}: OnnxWriterOptions): Promise<OnnxWriter> {
  const side = await sideFilesOf(sideFilesFrom);
  const needed = weights + others + side.reduce((n, file) => n + file.bytes, 0) + 1_000_000;
  const folder = await beginFolder(target, { needed });
  const at = (name: string): string => join(folder.path, name);
  const told = (error: unknown): unknown => underFinalName(error, folder.path, target);
  const file = await open(at(weightsFile), 'w');
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await file.close();
  };
  return {
    temporary: folder.path,
    told,
    weight: (values, offset) =>
      writing(
        target,
        () => writeAt(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset),
        needed,
      ),
    files: (contents, unless = []) =>
      writing(
        target,
        async () => {
          await close();
          for (const { name, path } of side) {
            await copyFile(path, at(name));
            await chmod(at(name), 0o644); // a read-only source must not make a read-only copy
          }
          for (const [name, content] of Object.entries(contents))
            if (!unless.includes(name) || !side.some((s) => s.name === name))
              await writeFile(at(name), content);
        },
        needed,
      ),
    async commit() {
      const files = (await readdir(folder.path)).sort();
      await folder.commit();
      return files;
    },
    async abort() {
      await close();
      await folder.abort();
    },
  };
}
