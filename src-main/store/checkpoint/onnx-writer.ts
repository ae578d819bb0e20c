/**
 * @file Writes a folder with an ONNX model and its external weights. The folder has a temporary name until
 * the model has been checked.
 */
import { open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeOrRefuse } from '../fs/files.ts';
import { createPartialFolder, withFinalPath } from '../fs/folder.ts';
import { writeAt } from '../fs/sequential-file.ts';
import { copyAuxiliaryFiles, listAuxiliaryFiles } from './auxiliary-files.ts';

/** An upper bound of the small files together. */
const smallFilesBytes = 1_000_000;

export interface OnnxWriterOptions {
  readonly target: string;
  /** Size of the weights file. */
  readonly weightBytes: number;
  /** Size of the other files that are written. */
  readonly otherBytes: number;
  /** Name of the weights file. */
  readonly weightsFile: string;
  /** The folder whose tokenizer, license and generation config are copied. */
  readonly auxiliaryFilesFrom: string;
}

export interface OnnxWriter {
  /** The folder while it is being written. */
  readonly temporaryDir: string;
  /** Writes one weight at a byte offset of the weights file. */
  writeWeight(values: Float32Array, offset: number): Promise<void>;
  /**
   * Closes the weights file, copies the auxiliary files, then writes `contents`. A name in `unlessCopied` is
   * written only if the source has no such file.
   */
  writeFiles(
    contents: Readonly<Record<string, string | Uint8Array>>,
    unlessCopied?: readonly string[],
  ): Promise<void>;
  /** What was changed in copied files, once they are: sentences without a full stop. */
  readonly notes: readonly string[];
  /** Renames the folder to its target. Returns its file names. */
  commit(): Promise<readonly string[]>;
  /** Removes the folder. */
  abort(): Promise<void>;
  /** Replaces the temporary path in an error by the target. */
  withFinalPath(error: unknown): unknown;
}

/** Creates the folder. Refuses `file/exists` and `file/no-space`. */
export async function createOnnxWriter({
  target,
  weightBytes,
  otherBytes,
  weightsFile,
  auxiliaryFilesFrom,
}: OnnxWriterOptions): Promise<OnnxWriter> {
  const auxiliary = await listAuxiliaryFiles(auxiliaryFilesFrom);
  const auxiliaryBytes = auxiliary.reduce((sum, file) => sum + file.bytes, 0);
  const requiredBytes = weightBytes + otherBytes + auxiliaryBytes + smallFilesBytes;
  const folder = await createPartialFolder(target, { requiredBytes });
  const file = await open(join(folder.path, weightsFile), 'w');
  const notes: string[] = [];
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await file.close();
  };
  const writeFiles = async (
    contents: Readonly<Record<string, string | Uint8Array>>,
    unlessCopied: readonly string[],
  ): Promise<void> => {
    await close();
    notes.push(...(await copyAuxiliaryFiles(auxiliary, folder.path)));
    const copied = new Set(auxiliary.map(({ name }) => name));
    for (const [name, content] of Object.entries(contents)) {
      if (unlessCopied.includes(name) && copied.has(name)) continue;
      await writeFile(join(folder.path, name), content);
    }
  };
  return {
    temporaryDir: folder.path,
    notes,
    withFinalPath: (error) => withFinalPath(error, folder.path, target),
    writeWeight: (values, offset) => {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return writeOrRefuse(target, () => writeAt(file, bytes, offset), requiredBytes);
    },
    writeFiles: (contents, unlessCopied = []) =>
      writeOrRefuse(target, () => writeFiles(contents, unlessCopied), requiredBytes),
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
