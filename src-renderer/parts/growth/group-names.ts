/** @file The names of the groups of weights. */
import type { ParameterGroup } from '../../../src-main/model/parameters.ts';

/** From the input of a model to its output. */
export const groupNames: Readonly<Record<ParameterGroup, string>> = {
  embeddings: 'Embeddings',
  attention: 'Attention',
  mlp: 'MLP',
  norms: 'Norms',
  head: 'Output head',
};
