/** @file The longest context that a model has positions for. */
import type { Dims } from '../tensor/layout.ts';
import type { Settings } from './settings.ts';

/** Returns max_position_embeddings; Infinity if the model has no such limit. */
export const getMaxPositions = ({
  dims,
  settings,
}: {
  readonly dims: Dims;
  readonly settings: Settings;
}): number => dims['positions'] ?? Number(settings['positions'] ?? Infinity);
