/** @file The models of the GPU benchmarks: a step reads 16 sequences of 1,024 tokens in bfloat16. */
import { resolveSettings } from '../../src-main/cost/checkpointing.ts';
import type { Subject } from '../../src-main/cost/programs.ts';
import type { ResolvedSettings } from '../../src-main/engine/train/training.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { subjectOf } from '../cost/subjects.ts';
import { gpuTrainCases } from './cases.ts';

/** A Llama-like model and how it is trained. */
export interface SizeCase {
  readonly name: string;
  readonly subject: Subject;
  readonly settings: ResolvedSettings;
}

const microBatch = 16;

/** The sizes on a device with `capacity` bytes of memory. */
export const sizeCasesFor = (capacity: number): readonly SizeCase[] =>
  gpuTrainCases.map(({ name, config, contextLength }) => {
    const subject = subjectOf(config);
    const batch = { microBatch, contextLength };
    const settings = { ...trainingDefaults, ...batch, precision: 'bfloat16', device: 'cuda' } as const;
    return { name, subject, settings: resolveSettings(subject, settings, 'cuda', capacity) };
  });
