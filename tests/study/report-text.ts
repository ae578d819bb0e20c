/** @file What docs/results.md says of the study around its tables. */
import { cpus } from 'node:os';
import { formatBytes, formatCount, formatFlops, formatInteger } from '../../src-main/base/format.ts';
import type { CorpusSummary } from './corpus.ts';
import type { Findings } from './report-data.ts';
import { formatLoss, formatTokens, tableOf } from './report-tables.ts';
import { configOf, targetOf } from './scales.ts';

function describeSource({ input, source }: Findings): string {
  const { scale } = input;
  const { hidden, layers, ffn } = scale.source;
  const { fall, low, high } = source.slope!;
  const end = source.isFlat
    ? `its curve was flat by the rule of stages:\n` +
      `  the whole 90 % band of the slope was below ${scale.plateau} nats per million tokens`
    : `it had had ${formatTokens(scale.sourceTokens)}, the most it gets: **its curve was not flat yet**`;
  return `- **Source**: a Llama with hidden size ${hidden}, ${layers} layers and ${ffn} MLP units
  (${formatCount(source.parameters)} parameters). It trained at a constant rate of ${source.lr} until ${end};
  the slope there was ${fall.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)}). Then the rate decayed.
  In all ${formatTokens(source.tokens)} and ${formatFlops(source.flops)}; held-out loss ${formatLoss(source.loss)}.`;
}

export function introduction(findings: Findings): string {
  const { input, missing } = findings;
  const { scale, corpus, bytesPerToken } = input;
  const { train, heldOut } = corpus;
  const target = targetOf(scale);
  const heads = configOf(scale, target)['num_attention_heads'] as number;
  const { microBatch, gradAccum, contextLength } = scale.settings;
  const notRun =
    missing.length > 0
      ? `\n**Not run yet** (the study was interrupted; the command goes on where it was): ${missing.join('; ')}.\n`
      : '';
  return `# Does growing pay?

\`npm run study\` wrote this page and its charts (scale \`${scale.id}\`,
${cpus()[0]?.model ?? 'an unknown CPU'}).

It replaces a table that compared grown models with random weights of their size after 410 k tokens. Those had
barely begun to learn, and the source had seen six times as much of a corpus that it nearly knew by heart. Whatever
is grown wins such a comparison; it proved little. Here random weights get as many tokens as they need, up to
${scale.longest} times those of the grown model, and the source’s cost is counted.

The models are far smaller than any that is useful. What holds for them need not hold for large ones;
\`npm run study -- --scale 124M\` is the same study for a GPU, and nobody has run it yet.

## What was done

- **Text**: ${formatBytes(train.bytes)} of dictionaries and manuals from Debian’s packages,
  ${formatInteger(train.documents)} documents; ${formatInteger(heldOut.documents)} other documents
  (${formatBytes(heldOut.bytes)}) are held out, chosen by their hashes. A byte-level
  BPE tokenizer of ${formatInteger(scale.vocab)} tokens was trained on it: ${bytesPerToken.toFixed(2)} bytes per token.
${describeSource(findings)}
- **Target**: hidden size ${target.hidden}, ${target.ffn} MLP units, ${heads} heads. \`identity\` doubles the layers
  instead, and \`upcycle\` makes ${scale.experts} experts of every MLP, of which two are used for a token; both have
  random weights of their own sizes beside them.
- **Every start** has its own best learning rate, found on the first seed and at the shortest length.
  A rate in bold is the smallest or largest that was tried; a better one may lie beyond.
  Hypercloning has another at the longer lengths. AdamW, ${microBatch * gradAccum} × ${contextLength} tokens an
  update, constant rate with a decay over the last fifth. A longer run is one whose decay begins later, so that every
  loss in the tables is one after a decay.
- **Losses** are nats per token on ${formatInteger(scale.windows)} held-out windows, the same for all. Differences are
  paired by window and seed, with 95 % intervals; those of a single seed know nothing of the spread between seeds.
${notRun}`;
}

export const packagesOf = ({ sources }: CorpusSummary): string =>
  tableOf(
    ['package', 'version', 'licence', 'documents', 'text', 'SHA-256 of the package'],
    sources.map(({ name, version, licence, documents, bytes, sha256 }) => [
      name,
      version,
      licence,
      String(documents),
      formatBytes(bytes),
      `\`${sha256.slice(0, 16)}…\``,
    ]),
  );
