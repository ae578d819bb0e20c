/** @file Reads what was dropped on the page: paths, or the description of a folder whose path is unknown. */

/** A folder as a browser shows it. `config` is the text of its config.json, empty if it has none. */
export interface DroppedFolder {
  readonly name: string;
  readonly config: string;
  readonly sizes: { readonly name: string; readonly bytes: number }[];
}
export type DropResult =
  | { readonly type: 'paths'; readonly paths: readonly string[] }
  | { readonly type: 'folder'; readonly folder: DroppedFolder }
  | { readonly type: 'nothing' };

/** Most files of a folder that are described. */
const maxFiles = 4096;
/** A larger config.json is not read. */
const maxConfigBytes = 1_000_000;

/** Must be called within the drop event: a DataTransfer is emptied after it. */
export async function readDrop(transfer: DataTransfer, pathOf: (file: File) => string): Promise<DropResult> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const text = transfer.getData('text/uri-list') || transfer.getData('text/plain');
  const paths = [...transfer.files].map(pathOf).filter(Boolean);
  if (paths.length > 0) return { type: 'paths', paths };
  const pathsInText = parsePaths(text);
  if (pathsInText.length > 0) return { type: 'paths', paths: pathsInText };
  const folder = entries.find((entry) => entry.isDirectory);
  if (folder) return { type: 'folder', folder: await describeFolder(folder as FileSystemDirectoryEntry) };
  return { type: 'nothing' };
}

/** The paths in a text/uri-list (`file://` lines) or in a pasted absolute path. */
export function parsePaths(text: string): readonly string[] {
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

async function describeFolder(directory: FileSystemDirectoryEntry): Promise<DroppedFolder> {
  const sizes: { name: string; bytes: number }[] = [];
  let config = '';
  for (const entry of await readEntries(directory)) {
    if (!entry.isFile || sizes.length >= maxFiles) continue;
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    sizes.push({ name: entry.name, bytes: file.size });
    if (entry.name === 'config.json' && file.size <= maxConfigBytes) config = await file.text();
  }
  return { name: directory.name, config, sizes };
}

/** All entries of a folder. A reader returns them in parts, and an empty part at the end. */
async function readEntries(directory: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
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
