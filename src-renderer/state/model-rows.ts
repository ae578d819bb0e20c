/** @file The rows of the table of models: known checkpoints and those of the Hugging Face cache. */
import type { ErrorData } from '../../src-main/base/errors.ts';
import type { KnownCheckpoint } from '../../src-main/contract/activity.ts';
import type { HubCached } from '../../src-main/contract/hub.ts';
import { families } from '../../src-main/model/families/index.ts';
import type { TableColumn } from './table.svelte.ts';

export const modelOrigins = {
  demo: 'Demo',
  grown: 'Grown',
  exported: 'Export',
  downloaded: 'Hub',
  cache: 'Hugging Face cache',
  opened: 'Folder',
} as const;
export type ModelOrigin = keyof typeof modelOrigins;

export interface ModelRow {
  readonly dir: string;
  readonly name: string;
  /** The title of its family; null if it is not known yet. */
  readonly family: string | null;
  readonly parameters: number | null;
  readonly bytes: number | null;
  readonly origin: ModelOrigin;
  /** When it was last opened or made, ISO 8601; empty if never. */
  readonly opened: string;
  /** Why it cannot be opened. */
  readonly why: ErrorData | null;
}

const titleOf = (family: string | null | undefined): string | null =>
  families.get(family ?? '')?.title ?? null;

/** Every model once: a model of the cache that was opened is a known checkpoint. */
export function listModels(
  checkpoints: readonly KnownCheckpoint[],
  cached: readonly HubCached[],
): readonly ModelRow[] {
  const known = checkpoints.map(
    ({ dir, name, opened, builtIn, family, parameters, bytes, origin }): ModelRow => ({
      dir,
      name,
      family: titleOf(family),
      parameters: parameters ?? null,
      bytes: bytes ?? null,
      origin: builtIn ? 'demo' : (origin ?? 'opened'),
      opened,
      why: null,
    }),
  );
  const dirs = new Set(known.map(({ dir }) => dir));
  const others = cached
    .filter(({ dir }) => !dirs.has(dir))
    .map(({ dir, repo, family, bytes, why }): ModelRow => ({
      dir,
      name: repo,
      family: titleOf(family),
      parameters: null,
      bytes,
      origin: 'cache',
      opened: '',
      why,
    }));
  return [...known, ...others];
}

export const modelColumns: readonly TableColumn<ModelRow>[] = [
  { id: 'name', label: 'Name', sortBy: ({ name }) => name, isFixed: true },
  { id: 'family', label: 'Family', sortBy: ({ family }) => family, from: 'tablet' },
  {
    id: 'parameters',
    label: 'Parameters',
    sortBy: ({ parameters }) => parameters,
    isNumber: true,
    from: 'tablet',
  },
  { id: 'bytes', label: 'Size', sortBy: ({ bytes }) => bytes, isNumber: true, from: 'desktop' },
  { id: 'origin', label: 'Origin', sortBy: ({ origin }) => modelOrigins[origin], from: 'tablet' },
  { id: 'opened', label: 'Opened', sortBy: ({ opened }) => opened || null, from: 'desktop' },
  { id: 'path', label: 'Folder', sortBy: ({ dir }) => dir, from: 'desktop', isOptional: true },
  { id: 'actions', label: 'Actions', sortBy: () => null, isFixed: true },
];
