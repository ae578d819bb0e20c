import { describe, expect, it } from 'vitest';
import { parsePaths, readDrop } from '../../../src-renderer/state/drop.ts';

const createFile = (name: string, text: string) => ({
  isFile: true,
  isDirectory: false,
  name,
  file: (done: (f: File) => void) => {
    done(new File([text], name));
  },
});
/** A directory that returns its entries in parts, as browsers do. */
const createDirectory = (name: string, entries: readonly object[]) => ({
  isFile: false,
  isDirectory: true,
  name,
  createReader: () => {
    let start = 0;
    return {
      readEntries: (done: (part: readonly object[]) => void) => {
        done(entries.slice(start, start + 2));
        start += 2;
      },
    };
  },
});
const createTransfer = (entries: readonly object[], text = '', files: readonly File[] = []): DataTransfer =>
  ({
    files,
    items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })),
    getData: (type: string) => (type === 'text/uri-list' ? text : ''),
  }) as unknown as DataTransfer;

describe('pathsOf', () => {
  it('parses file URIs and absolute paths only', () => {
    expect(parsePaths('# comment\r\nfile:///data/my%20models/a\r\n')).toEqual(['/data/my models/a']);
    expect(parsePaths('file:///C:/models/a')).toEqual(['C:/models/a']);
    expect(parsePaths('/data/a')).toEqual(['/data/a']);
    expect(parsePaths('https://example.com/a')).toEqual([]);
  });
});

describe('readDrop', () => {
  it('returns the path that the desktop app knows', async () => {
    expect(await readDrop(createTransfer([], '', [new File([], 'a')]), () => '/data/a')).toEqual({
      type: 'paths',
      paths: ['/data/a'],
    });
  });
  it('returns the path of a file URI', async () => {
    expect(await readDrop(createTransfer([createDirectory('a', [])], 'file:///data/a'), () => '')).toEqual({
      type: 'paths',
      paths: ['/data/a'],
    });
  });
  it('describes all files of a folder whose path is unknown', async () => {
    const files = [
      createFile('config.json', '{"model_type":"llama"}'),
      createFile('model.safetensors', '12345'),
      createFile('tokenizer.json', '{}'),
    ];
    expect(await readDrop(createTransfer([createDirectory('stories', files)]), () => '')).toEqual({
      type: 'folder',
      folder: {
        name: 'stories',
        config: '{"model_type":"llama"}',
        sizes: [
          { name: 'config.json', bytes: 22 },
          { name: 'model.safetensors', bytes: 5 },
          { name: 'tokenizer.json', bytes: 2 },
        ],
      },
    });
  });
  it('returns nothing for a file whose path is unknown', async () => {
    expect(await readDrop(createTransfer([createFile('a.txt', '')]), () => '')).toEqual({ type: 'nothing' });
  });
});
