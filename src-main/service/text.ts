/** @file Shows what training reads, in an engine: a tokenizer may crash or never end. */
import type { StoredHubToken } from '../contract/engine.ts';
import type { Service } from '../contract/service.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { engineStream } from './engines.ts';
import { findModelFolder } from './runs.ts';

export const textApi = (
  { home, processes }: Dependencies,
  findHubToken: () => Promise<StoredHubToken | null>,
) =>
  ({
    tokenizeText: (request, signal) =>
      engineStream(
        processes,
        async function* (engine, engineSignal) {
          const checkpoint = await findModelFolder(home, request.checkpoint);
          const data = request.data?.map(toAbsolutePath);
          yield* engine.tokenizeText({ ...request, checkpoint, ...(data && { data }) }, engineSignal);
        },
        signal,
      ),
    previewText: (request, signal) =>
      engineStream(
        processes,
        async function* (engine, engineSignal) {
          const checkpoint = await findModelFolder(home, request.checkpoint);
          const data = request.data.map(toAbsolutePath);
          const hubToken = await findHubToken();
          const token = hubToken ? { hubToken } : {};
          yield* engine.previewText({ ...request, checkpoint, data, ...token }, engineSignal);
        },
        signal,
      ),
  }) satisfies Partial<Service>;
