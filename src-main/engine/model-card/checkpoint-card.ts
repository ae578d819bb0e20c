/** @file The model card of a checkpoint that is exported without training. */
import { basename } from 'node:path';
import { formatInteger } from '../../base/format.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import {
  createGrowthRecordFiles,
  inheritFrom,
  createLineageSection,
  listMethodTags,
  type ModelCardFiles,
} from './shared.ts';

export async function createCheckpointCard(model: Checkpoint): Promise<ModelCardFiles> {
  const { growth, summary } = model;
  return {
    card: {
      summary: growth
        ? `Grown from ${basename(growth.source)} with Cambium by ${growth.method}.`
        : `${summary.name}, exported with Cambium.`,
      ...(await inheritFrom(model.dir)),
      baseModel: basename(growth?.source ?? summary.name),
      tags: listMethodTags(model),
      facts: [['Parameters', formatInteger(summary.parameters)]],
      sections: [createLineageSection(model)],
    },
    files: createGrowthRecordFiles(model),
  };
}
