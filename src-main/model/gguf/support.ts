/** @file Why a model cannot be written as a GGUF file that llama.cpp computes alike. */
import { parametersOf } from '../parameters.ts';
import type { GgufArchitecture, GgufModel } from './architecture.ts';
import { ggufArchitectureOf } from '../families/gguf-architectures.ts';
import { ggufWindowOf } from './attention-window.ts';
import { ggufKeyOf, scaleFactorOf } from './tensors.ts';

type Check = (model: GgufModel, architecture: GgufArchitecture) => string | undefined;

const hasPlaceForWeights: Check = (model, architecture) => {
  const { family, dims, settings } = model;
  const missing = parametersOf(family, dims, settings).find(
    ({ key }) => ggufKeyOf(model, architecture, key) === undefined,
  );
  return missing && `its architecture "${architecture.name}" has no ${missing.name}`;
};

const hasActivation: Check = ({ settings }, { activations }) => {
  const activation = String(settings['activation']);
  if (activations.includes(activation)) return undefined;
  return `it computes ${activations.join(' or ')} for this family, and the activation is ${activation}`;
};

const hasRope: Check = ({ settings }, { name, ropeTypes = ['default', 'linear'] }) => {
  const type = settings['ropeType'];
  if (type !== undefined && !ropeTypes.includes(String(type)))
    return `its architecture "${name}" has no rotary positions of the type ${String(type)}`;
  return settings['ropeScalingBeta'] ? 'it does not scale queries by their position' : undefined;
};

const hasRopeBase: Check = ({ settings }, { hasOneRopeBase }) => {
  const local = settings['ropeLocalTheta'];
  if (hasOneRopeBase !== true || local === undefined || local === settings['ropeTheta']) return undefined;
  return 'it has one rotary base for all layers of this family';
};

const rotatesLayers: Check = ({ dims, settings }, { unrotatedPeriod: period = Infinity }) => {
  const rotated = settings['rotatedLayers'];
  const isKnown = Array.from({ length: dims['layers']! }, (_, layer) => layer).every((layer) => {
    const rotates = Array.isArray(rotated) ? rotated[layer] !== 0 : true;
    return rotates === ((layer + 1) % period !== 0);
  });
  return isKnown ? undefined : 'it gives no positions to other layers than this model';
};

const hasHeads: Check = ({ dims }, { needsSquareAttention }) => {
  if (needsSquareAttention !== true) return undefined;
  const width = (dims['heads'] ?? dims['kv_heads']! * dims['group']!) * dims['head_dim']!;
  if (width === dims['hidden']) return undefined;
  return `the heads together must be as wide as the hidden size ${dims['hidden']!}, and they are ${width} wide`;
};

const hasKeys: Check = ({ dims }, { needsKeyPerQuery }) =>
  needsKeyPerQuery === true && dims['group'] !== 1
    ? 'each query head must have a key head of its own'
    : undefined;

const hasRouting: Check = ({ settings }, { normTopkProb }) => {
  if (normTopkProb === undefined || settings['normTopkProb'] === normTopkProb) return undefined;
  return `it computes norm_topk_prob ${normTopkProb}, and the model has ${String(settings['normTopkProb'])}`;
};

const hasSoftcaps: Check = ({ settings }, { softcaps = [] }) => {
  const missing = softcaps.find((name) => typeof settings[name] !== 'number');
  if (missing) return 'it always caps the scores and logits of this family, and the model does not';
  const isCapped = typeof settings['attnLogitSoftcap'] === 'number';
  return isCapped && !softcaps.includes('attnLogitSoftcap') ? 'it does not cap the scores' : undefined;
};

const hasScale: Check = (model, architecture) => {
  const isPlain = architecture.scaledModule !== undefined || scaleFactorOf(model, architecture) === 1;
  return isPlain ? undefined : 'it scales the scores of attention otherwise';
};

const hasWindow: Check = (model, architecture) =>
  ggufWindowOf(model, architecture)
    ? undefined
    : 'its sliding layers follow a period, and those of this model do not';

const checks: readonly Check[] = [
  hasPlaceForWeights,
  hasActivation,
  hasRope,
  hasRopeBase,
  rotatesLayers,
  hasHeads,
  hasKeys,
  hasRouting,
  hasSoftcaps,
  hasScale,
  hasWindow,
];

/**
 * Why there is no GGUF file of this model, as the end of a sentence after "llama.cpp cannot run it: "; undefined if
 * Cambium can write one.
 */
export function findGgufProblem(model: GgufModel): string | undefined {
  const architecture = ggufArchitectureOf(model.family);
  if (!architecture)
    return model.family.gguf
      ? `only its own converter writes ${model.family.title} models`
      : `it has no architecture for ${model.family.title}`;
  for (const check of checks) {
    const problem = check(model, architecture);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
