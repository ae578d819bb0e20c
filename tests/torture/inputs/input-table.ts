/** @file What a table of files and messages says of each: an example, how it is changed, and who reads it. */
import type { Dice } from '../stored/mutate.ts';

export interface InputKind {
  readonly example: Buffer;
  mutate(example: Buffer, dice: Dice): Buffer;
  /** Reads a changed example as Cambium does. */
  read(bytes: Buffer): Promise<unknown>;
}
export type InputTable = Readonly<Record<string, InputKind>>;

/** The tables, by name. Each writes its examples into a folder. */
export const tables: Readonly<Record<string, () => Promise<(dir: string) => Promise<InputTable>>>> = {
  parsers: async () => (await import('../parsers/parsers.ts')).createParsers,
  stored: async () => (await import('../stored/formats.ts')).createFormats,
};

export const createTable = async (name: string, dir: string): Promise<InputTable> =>
  (await tables[name]!())(dir);
