/**
 * @file The steps of a long run in blocks of lines, each thinned: a wide range of steps is drawn from them without
 * reading its lines. A stopped run caches them in zoom.json.
 */
import { join } from 'node:path';
import type { StepEvent } from '../../train/run.ts';
import { createThinner, type Thinner } from '../../train/thinning.ts';
import { readJsonObject, writeJson } from '../fs/files.ts';
import { isStepEvent } from './event-lines.ts';

/** Most steps that are kept of a block. */
const stepsPerBlock = 64;

/** The kept steps of every block, in order. */
export type ZoomBlocks = readonly (readonly StepEvent[])[];

/** Collects the steps of a run while it is read. */
export interface ZoomCollector {
  /** Later steps belong to a new block. */
  startBlock(): void;
  add(event: StepEvent): void;
  blocks(): ZoomBlocks;
}

export function collectZoomBlocks(): ZoomCollector {
  const thinners: Thinner<StepEvent>[] = [];
  return {
    startBlock() {
      thinners.push(createThinner<StepEvent>(stepsPerBlock, ({ loss }) => loss));
    },
    add(event) {
      thinners.at(-1)?.add(event);
    },
    blocks: () => thinners.map((thinner) => thinner.points().map(({ point }) => point)),
  };
}

const zoomFile = (dir: string): string => join(dir, 'zoom.json');

/** zoom.json; `size` is that of the events.jsonl that it was made from. */
interface ZoomCache {
  readonly version: 1;
  readonly size: number;
  readonly blocks: ZoomBlocks;
}

export const writeZoomBlocks = (dir: string, size: number, blocks: ZoomBlocks): Promise<void> =>
  writeJson(zoomFile(dir), { version: 1, size, blocks } satisfies ZoomCache);

/** The blocks that were read last: zooming reads those of one run many times. */
let newest: { readonly dir: string; readonly size: number; readonly blocks: ZoomBlocks } | undefined;

/** The cached blocks, if they belong to an events.jsonl of this size. */
export async function readZoomBlocks(dir: string, size: number): Promise<ZoomBlocks | undefined> {
  if (newest?.dir === dir && newest.size === size) return newest.blocks;
  const {
    version,
    size: ownSize,
    blocks,
  } = (await readJsonObject(zoomFile(dir)).catch(() => undefined)) ?? {};
  if (version !== 1 || ownSize !== size) return undefined;
  if (!isZoomBlocks(blocks)) return undefined;
  newest = { dir, size, blocks };
  return blocks;
}

const isZoomBlocks = (value: unknown): value is ZoomBlocks =>
  Array.isArray(value) && value.every((block) => Array.isArray(block) && block.every(isStepEvent));
