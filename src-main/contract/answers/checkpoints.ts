/** @file The schemas of answers about checkpoints: summaries, growth, certificates, measurements, lineage. */
import '../no-eval.ts';
import { z } from 'zod';
import { leftOutSchema } from '../../base/left-out.ts';
import { planFile } from '../../growth/plan/plan-schema.ts';
import type { SavedPlan } from '../../growth/plan/saved-plan.ts';
import { verdicts } from '../../model/certificate.ts';
import { promiseKinds } from '../../model/promise.ts';
import type { CheckpointSummary } from '../../model/summary.ts';
import type { KnownCheckpoint } from '../activity.ts';
import type { Lineage } from '../lineage.ts';
import type {
  CertifyEvent,
  CheckResult,
  ChoicesEvent,
  EvaluateEvent,
  Evaluation,
  ExportEvent,
  GrowEvent,
  SampleEvent,
  WrittenLogits,
} from '../responses.ts';
import type { CertificateReport } from '../schema.ts';
import {
  certificate,
  count,
  deviceKind,
  jsonObject,
  modelSettings,
  number,
  sizes,
  text,
  texts,
  weightDType,
} from './shared-schemas.ts';
import { exactly } from './exact.ts';
import { runState } from './runs.ts';

export const checkpointSummary = exactly<CheckpointSummary>()(
  z.object({
    dir: text,
    name: text,
    family: text,
    familyTitle: text,
    dims: sizes,
    settings: modelSettings,
    config: jsonObject,
    dtypes: z.array(weightDType),
    parameters: number,
    active: number.exactOptional(),
    groups: z.object({ embeddings: number, attention: number, mlp: number, norms: number, head: number }),
    bytes: number,
    shards: number,
    tied: z.boolean(),
    notes: texts.exactOptional(),
    ignored: texts.exactOptional(),
    tokenizer: z.object({ kind: text, size: number, chat: z.literal(true).exactOptional() }).nullable(),
    tensors: z.array(z.object({ name: text, dtype: weightDType, shape: z.array(count) })),
    grownFrom: z.object({ source: text, method: text, certificate: certificate.nullable() }).exactOptional(),
  }),
);

export const knownCheckpoint = exactly<KnownCheckpoint>()(
  z.object({
    dir: text,
    name: text,
    opened: text,
    builtIn: z.boolean(),
    family: text.optional(),
    parameters: number.optional(),
    bytes: number.optional(),
    origin: z.enum(['grown', 'exported', 'downloaded']).optional(),
  }),
);

export const plan = planFile as unknown as z.ZodType<SavedPlan>;

export const checkResult = exactly<CheckResult>()(
  z.object({
    tokens: count,
    loss: number,
    entropy: number,
    uniform: number,
    unigram: number,
    byPosition: z.object({ first: number, last: number }).nullable(),
    nonFinite: count,
    verdict: z.enum(['plausible', 'implausible', 'untrained-looking']),
    why: text,
    text,
    contextLength: count,
    device: deviceKind,
  }),
);

export const writtenLogits = exactly<WrittenLogits>()(
  z.object({ text, tokens: count, files: z.array(z.object({ model: text, logits: text })) }),
);

export const certificateReport = exactly<CertificateReport>()(z.object({ name: text, text }));

const certifyProgress = {
  what: z.enum(['tokenizing', 'comparing']),
  done: number,
  of: number,
  seconds: number,
};
export const certifyEvent = exactly<CertifyEvent>()(
  z.union([
    z.object({ type: z.literal('progress'), ...certifyProgress }),
    z.object({ type: z.literal('done'), certificate }),
  ]),
);

export const growEvent = exactly<GrowEvent>()(
  z.union([
    z.object({
      type: z.literal('tensor'),
      name: text,
      tensors: count,
      ofTensors: count,
      bytes: number,
      ofBytes: number,
      seconds: number,
    }),
    z.object({ type: z.literal('moments'), done: number, of: number }),
    z.object({
      type: z.literal('certifying'),
      what: certifyProgress.what.exactOptional(),
      done: number.exactOptional(),
      of: number.exactOptional(),
      seconds: number.exactOptional(),
    }),
    z.object({
      type: z.literal('done'),
      dir: text,
      seconds: number,
      bytes: number,
      certificate: certificate.nullable(),
      device: deviceKind,
      notes: texts.exactOptional(),
    }),
  ]),
);

export const exportEvent = exactly<ExportEvent>()(
  z.union([
    z.object({ type: z.literal('tensor'), name: text, tensors: count, ofTensors: count }),
    z.object({ type: z.literal('comparing') }),
    z.object({
      type: z.literal('done'),
      dir: text,
      files: texts,
      bytes: number,
      maxLogit: number,
      device: deviceKind,
      notes: texts.exactOptional(),
    }),
  ]),
);

const evaluation = exactly<Evaluation>()(
  z.object({
    loss: number,
    perplexity: number,
    bitsPerByte: number,
    tokens: count,
    bytes: number,
    contextLength: count,
    documents: count,
    leftOut: leftOutSchema,
    device: deviceKind,
  }),
);
export const evaluateEvent = exactly<EvaluateEvent>()(
  z.union([
    z.object({ type: z.literal('tokens'), done: number, of: number }),
    z.object({ type: z.literal('done'), evaluation }),
  ]),
);

export const choicesEvent = exactly<ChoicesEvent>()(
  z.union([
    z.object({ type: z.literal('choices'), done: number, of: number }),
    z.object({
      type: z.literal('done'),
      answers: z.object({
        questions: count,
        accuracy: number,
        error: number,
        perByte: number,
        perByteError: number,
        device: deviceKind,
      }),
    }),
  ]),
);

const sampledToken = { text, probability: number };
export const sampleEvent = exactly<SampleEvent>()(
  z.union([
    z.object({ type: z.literal('text'), text }),
    z.object({ type: z.literal('token'), top: z.array(z.object(sampledToken)), ...sampledToken }),
    z.object({ type: z.literal('done'), tokens: count, seconds: number, device: deviceKind }),
  ]),
);

export const lineage = exactly<Lineage>()(
  z.object({
    nodes: z.array(
      z.object({
        dir: text,
        kind: z.enum(['checkpoint', 'run']),
        name: text,
        run: z
          .object({
            id: text,
            state: runState,
            loss: number.nullable(),
            heldOutLoss: number.nullable(),
            init: z.enum(['checkpoint', 'random']),
          })
          .exactOptional(),
        gone: z.literal(true).exactOptional(),
      }),
    ),
    edges: z.array(
      z.object({
        from: text,
        to: text,
        kind: z.enum(['grown', 'trained', 'exported']),
        what: text,
        init: z.literal('random').exactOptional(),
        proof: z
          .object({ verdict: z.enum(verdicts), promise: z.enum(promiseKinds), maxLogit: number })
          .nullable()
          .exactOptional(),
      }),
    ),
  }),
);
