/** @file Input types of the engine's procedures. */
import type { Engine } from '../contract/engine.ts';

export type GrowInput = Parameters<Engine['grow']>[0];
export type CertifyInput = Parameters<Engine['certify']>[0];
export type CheckInput = Parameters<Engine['check']>[0];
export type LogitsInput = Parameters<Engine['logits']>[0];
export type TrainInput = Parameters<Engine['train']>[0];
export type WindowLossesInput = Parameters<Engine['windowLosses']>[0];
export type SampleInput = Parameters<Engine['sample']>[0];
export type EvaluateInput = Parameters<Engine['evaluate']>[0];
export type ChoicesInput = Parameters<Engine['evaluateChoices']>[0];
export type TokenizeInput = Parameters<Engine['tokenizeText']>[0];
export type PreviewInput = Parameters<Engine['previewText']>[0];
export type CountInput = Parameters<Engine['countTokens']>[0];
export type TuneInput = Parameters<Engine['tune']>[0];
export type ExportInput = Parameters<Engine['export']>[0];
