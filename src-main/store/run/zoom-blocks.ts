/**
 * @file The steps of a long run in blocks of lines, each thinned: a wide range of steps is drawn from them without
 * reading its lines. A stopped run caches them in zoom.json.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { StepEvent } from '../../train/run.ts';
import { createThinner, type Thinner } from '../../train/thinning.ts';
import { readJsonIfOf, writeJson } from '../fs/files.ts';
import { storedStep } from './event-lines.ts';

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
const zoomCache = z.object({
  version: z.literal(1),
  size: z.number(),
  blocks: z.array(z.array(storedStep)),
});

export const writeZoomBlocks = (dir: string, size: number, blocks: ZoomBlocks): Promise<void> =>
  writeJson(zoomFile(dir), { version: 1, size, blocks });

/** The blocks that were read last: zooming reads those of one run many times. */
let newest: { readonly dir: string; readonly size: number; readonly blocks: ZoomBlocks } | undefined;

/** The cached blocks, if they belong to an events.jsonl of this size. */
export async function readZoomBlocks(dir: string, size: number): Promise<ZoomBlocks | undefined> {
  if (newest?.dir === dir && newest.size === size) return newest.blocks;
  const cached = await readJsonIfOf(zoomFile(dir), zoomCache);
  if (cached?.size !== size) return undefined;
  newest = { dir, size, blocks: cached.blocks };
  return cached.blocks;
}
