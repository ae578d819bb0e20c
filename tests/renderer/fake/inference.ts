/** @file Generating and evaluating in the fake service. */
import type { Service } from '../../../src-main/contract/service.ts';
import { sleep } from './sleep.ts';

const story =
  ', there was a small oak that wished to be tall. It asked the sun, and the sun said: first a ring, then another.';

type Inference = 'sample' | 'evaluate' | 'evaluateChoices' | 'tokenizeText' | 'previewText';

export function createFakeInference(pace: number): Pick<Service, Inference> {
  const device = 'cpu' as const;
  return {
    sample: async function* ({ tokens, probabilities = 0 }) {
      const words = story.split(/(?= )/);
      for (const [i, text] of words.slice(0, tokens).entries()) {
        await sleep(pace);
        const probability = 0.9 / ((i % 5) + 1);
        const top = [
          { text, probability },
          { text: ' acorn', probability: (1 - probability) / 2 },
        ].slice(0, probabilities);
        if (probabilities > 0) yield { type: 'token' as const, text, probability, top };
        yield { type: 'text' as const, text };
      }
      yield { type: 'done' as const, tokens: words.length, seconds: 0.2, device };
    },
    evaluateChoices: async function* () {
      for (let i = 1; i <= 10; i++) {
        await sleep(pace);
        yield { type: 'choices' as const, done: i * 40, of: 400 };
      }
      const answers = {
        questions: 100,
        accuracy: 0.41,
        error: 0.049,
        perByte: 0.44,
        perByteError: 0.05,
        device,
      };
      yield { type: 'done' as const, answers };
    },
    tokenizeText: async function* ({ text = story }) {
      const tokens = text.split(/(?= )/);
      const document = { file: null, ids: tokens.map((_, i) => i), tokens, appended: [0] };
      await sleep(pace);
      yield { type: 'document' as const, document };
      yield { type: 'done' as const, documents: 1, leftOut: { missing: 0, empty: 0 }, notes: [] };
    },
    previewText: async function* ({ data, limit }) {
      for (let i = 1; i <= 4; i++) {
        await sleep(pace);
        yield { type: 'bytes' as const, done: i * 1000, of: 4000 };
      }
      const counts = { files: 1, documents: 120, tokens: 90_000, bytes: 400_000 };
      const items = data.map((path) => ({ path, ...counts, share: 1 / data.length, leftOutFiles: [] }));
      const tokens = story.split(/(?= )/);
      const first = { file: data[0]!, text: story, ids: tokens.map((_, i) => i), tokens };
      const preview = {
        ...counts,
        tokenizer: { type: 'BPE', vocabSize: 1024 },
        leftOut: { missing: 0, empty: 3 },
        items,
        first,
        isPartial: limit !== undefined,
        notes: [],
      };
      yield { type: 'done' as const, preview };
    },
    evaluate: async function* () {
      for (let i = 1; i <= 10; i++) {
        await sleep(pace);
        yield { type: 'tokens' as const, done: i * 1000, of: 10_000 };
      }
      const evaluation = {
        loss: 2.413,
        perplexity: 11.17,
        bitsPerByte: 1.42,
        tokens: 10_000,
        bytes: 24_511,
        contextLength: 256,
        documents: 120,
        leftOut: { missing: 0, empty: 3 },
        device,
      };
      yield { type: 'done' as const, evaluation };
    },
  };
}
