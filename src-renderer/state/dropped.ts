/**
 * @file What was dropped on the page: a path where one is told, or else the description of a folder by which
 * the service can find it.
 */

/** A folder as a page may see it: `config` is the text of its config.json, empty when it has none. */
export interface DroppedFolder {
  readonly name: string;
  readonly config: string;
  readonly sizes: { readonly name: string; readonly bytes: number }[];
}
export type Dropped =
  | { readonly at: 'paths'; readonly paths: readonly string[] }
  | { readonly at: 'folder'; readonly folder: DroppedFolder }
  | { readonly at: 'nothing' };

const most = 4096;

/** Must be called within the drop event: a DataTransfer is emptied after it. */
export async function readDrop(transfer: DataTransfer, pathOf: (file: File) => string): Promise<Dropped> {
  const files = [...transfer.files];
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const told = transfer.getData('text/uri-list') || transfer.getData('text/plain');
  const paths = files.map(pathOf).filter(Boolean);
  if (paths.length > 0) return { at: 'paths', paths };
  const uris = pathsOf(told);
  if (uris.length > 0) return { at: 'paths', paths: uris };
  const folder = entries.find((entry) => entry.isDirectory);
  if (folder) return { at: 'folder', folder: await describe(folder as FileSystemDirectoryEntry) };
  return { at: 'nothing' };
}

/** The paths in a text/uri-list (`file://` lines) or in a pasted absolute path. */
export function pathsOf(text: string): readonly string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      if (/^(\/|[A-Za-z]:[\\/])/.test(line)) return [line];
      if (!line.startsWith('file://')) return [];
      const path = decodeURIComponent(new URL(line).pathname);
      return [/^\/[A-Za-z]:/.test(path) ? path.slice(1) : path];
    });
}

async function describe(directory: FileSystemDirectoryEntry): Promise<DroppedFolder> {
  const sizes: { name: string; bytes: number }[] = [];
  let config = '';
  for (const entry of await entriesOf(directory)) {
    if (!entry.isFile || sizes.length >= most) continue;
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    sizes.push({ name: entry.name, bytes: file.size });
    if (entry.name === 'config.json' && file.size <= 1_000_000) config = await file.text();
  }
  return { name: directory.name, config, sizes };
}

/** All entries of a folder: a reader hands them out in parts. */
async function entriesOf(directory: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (part.length === 0) return all;
    all.push(...part);
  }
}
