import { describe, expect, it } from 'vitest';
import { pathsOf, readDrop } from '../../../src-renderer/state/dropped.ts';

const file = (name: string, text: string) => ({
  isFile: true,
  isDirectory: false,
  name,
  file: (done: (f: File) => void) => {
    done(new File([text], name));
  },
});
/** A directory that, as browsers do, hands its entries out in parts. */
const directory = (name: string, entries: readonly object[]) => ({
  isFile: false,
  isDirectory: true,
  name,
  createReader: () => {
    let at = 0;
    return {
      readEntries: (done: (part: readonly object[]) => void) => {
        done(entries.slice(at, (at += 2)));
      },
    };
  },
});
const transfer = (entries: readonly object[], text = '', files: readonly File[] = []): DataTransfer =>
  ({
    files,
    items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })),
    getData: (type: string) => (type === 'text/uri-list' ? text : ''),
  }) as unknown as DataTransfer;

describe('pathsOf', () => {
  it('reads file URIs and pasted paths, and nothing else', () => {
    expect(pathsOf('# comment\r\nfile:///data/my%20models/a\r\n')).toEqual(['/data/my models/a']);
    expect(pathsOf('file:///C:/models/a')).toEqual(['C:/models/a']);
    expect(pathsOf('/data/a')).toEqual(['/data/a']);
    expect(pathsOf('https://example.com/a')).toEqual([]);
  });
});

describe('readDrop', () => {
  it('takes the path where the desktop tells it', async () => {
    expect(await readDrop(transfer([], '', [new File([], 'a')]), () => '/data/a')).toEqual({
      at: 'paths',
      paths: ['/data/a'],
    });
  });
  it('takes the path where the browser gives a URI', async () => {
    expect(await readDrop(transfer([directory('a', [])], 'file:///data/a'), () => '')).toEqual({
      at: 'paths',
      paths: ['/data/a'],
    });
  });
  it('describes a folder whose path nobody tells, all parts of it', async () => {
    const files = [
      file('config.json', '{"model_type":"llama"}'),
      file('model.safetensors', '12345'),
      file('tokenizer.json', '{}'),
    ];
    expect(await readDrop(transfer([directory('stories', files)]), () => '')).toEqual({
      at: 'folder',
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
  it('says when it was no folder', async () => {
    expect(await readDrop(transfer([file('a.txt', '')]), () => '')).toEqual({ at: 'nothing' });
  });
});
