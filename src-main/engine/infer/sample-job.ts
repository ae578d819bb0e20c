/** @file Generates text with a checkpoint, or with the newest checkpoint of a run. */
import type { AbortSignalLike } from '../../base/signals.ts';
import type { SampledToken, SampleEvent } from '../../contract/schema.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { isRun } from '../../store/run/runs.ts';
import { renderChat } from '../../store/data/chat-template.ts';
import { openTokenizer, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import { generate, type SamplingOptions } from './generate.ts';
import { listProbabilities } from './sampling.ts';
import type { SampleInput } from '../inputs.ts';
import { newestModel } from '../train/step-checkpoint.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';

/**
 * Yields the text in pieces as it is generated, and at last the number of tokens and the time. Throws
 * `checkpoint/no-chat-template` and `checkpoint/bad-chat-template` if the request asks for a chat.
 */
export async function* sample(
  { from, prompt, tokens, chat = false, probabilities = 0, seed, device: choice, ...sampling }: SampleInput,
  signal: AbortSignalLike,
): AsyncGenerator<SampleEvent> {
  const started = performance.now();
  const dir = (await isRun(from)) ? await newestModel(from) : from;
  const checkpoint = await openCheckpoint(dir);
  const tokenizer = await openTokenizer(dir, checkpoint.dims['vocab']!);
  const ids = await encodePrompt(dir, tokenizer, prompt, chat);
  const device = await chooseDevice(choice);
  try {
    const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
    try {
      const stream = tokenizer.createDecodeStream(ids);
      let chosen: ReturnType<typeof listProbabilities> | undefined;
      const options: SamplingOptions = {
        ...sampling,
        seed,
        stops: tokenizer.eos === null ? [] : [tokenizer.eos],
        onLogits: (logits, token) => {
          if (probabilities > 0) chosen = listProbabilities(logits, token, probabilities);
        },
      };
      let count = 0;
      let previous = ids.at(-1)!;
      for await (const token of generate(device, loaded, ids, tokens, options, signal)) {
        count++;
        if (chosen) yield { type: 'token', ...(await describeToken(tokenizer, previous, token, chosen)) };
        previous = token;
        const text = await stream.push(token);
        if (text !== '') yield { type: 'text', text };
      }
      const rest = await stream.end();
      if (rest !== '') yield { type: 'text', text: rest };
      const seconds = (performance.now() - started) / 1000;
      yield { type: 'done', tokens: count, seconds, device: device.kind };
    } finally {
      loaded.dispose();
    }
  } finally {
    await device.dispose();
  }
}

/** The tokens of a prompt, at least one. A chat template writes its special tokens itself. */
async function encodePrompt(
  dir: string,
  tokenizer: TextTokenizer,
  prompt: string,
  chat: boolean,
): Promise<readonly number[]> {
  const encoded = chat
    ? await tokenizer.encode(await renderChat(dir, prompt), { addSpecialTokens: false })
    : await tokenizer.encode(prompt);
  return encoded.length > 0 ? encoded : [tokenizer.bos ?? tokenizer.eos ?? 0];
}

/** The texts of tokens behind `previous`: many tokenizers drop the space of a token that comes first. */
async function describeToken(
  tokenizer: TextTokenizer,
  previous: number,
  token: number,
  { probability, top }: ReturnType<typeof listProbabilities>,
): Promise<SampledToken & { readonly top: readonly SampledToken[] }> {
  const decode = (tokens: readonly number[]): Promise<string> =>
    tokenizer.decode(tokens, { skipSpecialTokens: false });
  const before = await decode([previous]);
  const textOf = async (id: number): Promise<string> => {
    const both = await decode([previous, id]);
    return both.startsWith(before) ? both.slice(before.length) : decode([id]);
  };
  return {
    text: await textOf(token),
    probability,
    top: await Promise.all(
      top.map(async (other) => ({ text: await textOf(other.token), probability: other.probability })),
    ),
  };
}
