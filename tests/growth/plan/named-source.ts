/** @file Named tiny sources, and a plan of three stages, for tests of saved plans. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import type { NamedSource } from '../../../src-main/growth/plan/saved-plan.ts';
import { makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';

export const makeNamedSource = (config: JsonObject, name = 'source'): NamedSource & TinyModel => ({
  ...makeTinyModel(config),
  name,
});

export const threeStages = [
  makeRequest('hypercloning', { hidden: 24, ffn: 40 }),
  makeRequest('net2net', { ffn: 47 }),
  makeRequest('identity', { layers: 3 }),
] as const;
