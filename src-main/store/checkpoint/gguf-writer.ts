/**
 * @file Writes a folder with a GGUF file, tensor by tensor. The folder has a temporary name until the file has been
 * checked.
 */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GgufTensor } from '../../model/gguf/tensors.ts';
import { countGgufBytes, ggufAlignment, type GgufEntries, type GgufType } from '../../model/gguf/values.ts';
import { countElements } from '../../tensor/layout.ts';
import { downcast } from '../../tensor/dtype.ts';
import { quantizeQ80 } from '../../tensor/q8-0.ts';
import { checkOverflow } from '../../tensor/range.ts';
import { writeOrRefuse } from '../fs/files.ts';
import { createPartialFolder, withFinalPath } from '../fs/folder.ts';
import { createSequentialFile } from '../fs/sequential-file.ts';
import { copyAuxiliaryFiles, listLicenseFiles } from './auxiliary-files.ts';
import { encodeGguf } from './gguf-header.ts';

/** An upper bound of the other files together. */
const smallFilesBytes = 1_000_000;

export interface GgufWriterOptions {
  readonly target: string;
  readonly fileName: string;
  readonly entries: GgufEntries;
  readonly tensors: readonly GgufTensor[];
  /** The folder whose license is copied. */
  readonly licenseFrom: string;
}

export interface GgufWriter {
  /** The file while the folder has its temporary name. */
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Writes the next values of a tensor, whole blocks of it. Tensors are written in order. */
  write(tensor: GgufTensor, values: Float32Array): Promise<void>;
  /** Closes the file, then writes the license and `contents` beside it. */
  finish(contents: Readonly<Record<string, string>>): Promise<void>;
  /** Renames the folder to its target. Returns its file names. */
  commit(): Promise<readonly string[]>;
  /** Removes the folder. */
  abort(): Promise<void>;
  /** Replaces the temporary path in an error by the target. */
  withFinalPath(error: unknown): unknown;
}

type Encoder = (values: Float32Array, name: string) => Uint8Array;

const encodeHalf =
  (dtype: 'float16' | 'bfloat16'): Encoder =>
  (values, name) => {
    const bytes = downcast(values, dtype);
    checkOverflow(bytes, dtype, name);
    return bytes;
  };

const encoders: Readonly<Record<GgufType, Encoder>> = {
  f32: (values) => downcast(values, 'float32'),
  f16: encodeHalf('float16'),
  bf16: encodeHalf('bfloat16'),
  q8_0: quantizeQ80,
};

/** Creates the folder and writes the header. Refuses `file/exists` and `file/no-space`. */
export async function createGgufWriter({
  target,
  fileName,
  entries,
  tensors,
  licenseFrom,
}: GgufWriterOptions): Promise<GgufWriter> {
  const { header, bytes } = encodeGguf(entries, tensors);
  const licenses = await listLicenseFiles(licenseFrom);
  const requiredBytes = licenses.reduce((sum, file) => sum + file.bytes, bytes + smallFilesBytes);
  const folder = await createPartialFolder(target, { requiredBytes });
  const path = join(folder.path, fileName);
  const orRefuse = <T>(work: () => Promise<T>): Promise<T> => writeOrRefuse(target, work, requiredBytes);
  const open = async () => {
    const created = await createSequentialFile(path, bytes);
    await created.write(header);
    return created;
  };
  const file = await orRefuse(open).catch(async (error: unknown) => {
    await folder.abort();
    throw error;
  });
  let isClosed = false;
  let current = 0;
  let filled = 0;
  return {
    path,
    bytes,
    withFinalPath: (error) => withFinalPath(error, folder.path, target),
    async write(tensor, values) {
      if (tensor !== tensors[current]) throw new RangeError(`${tensor.name} was written out of order`);
      const { name, type, shape } = tensor;
      const chunk = encoders[type](values, name);
      await orRefuse(() => file.write(chunk));
      filled += chunk.length;
      const expected = countGgufBytes(type, countElements(shape));
      if (filled > expected) throw new RangeError(`too many values for ${name}`);
      if (filled < expected) return;
      const padding = (ggufAlignment - (filled % ggufAlignment)) % ggufAlignment;
      await orRefuse(() => file.write(new Uint8Array(padding)));
      current++;
      filled = 0;
    },
    async finish(contents) {
      if (current < tensors.length) throw new RangeError(`${tensors[current]!.name} is not complete`);
      isClosed = true;
      await orRefuse(async () => {
        await file.finish();
        await copyAuxiliaryFiles(licenses, folder.path);
        for (const [name, content] of Object.entries(contents))
          await writeFile(join(folder.path, name), content);
      });
    },
    async commit() {
      const files = (await readdir(folder.path)).sort();
      await folder.commit();
      return files;
    },
    async abort() {
      if (!isClosed) await file.abort();
      await folder.abort();
    },
  };
}
