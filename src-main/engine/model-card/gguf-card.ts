/** @file Turns a model card into one for the GGUF file of the model. */
import { formatInteger } from '../../base/format.ts';
import type { GgufType } from '../../model/gguf/values.ts';
import type { ModelCard } from '../../store/checkpoint/model-card.ts';
import { ggufTitle } from './shared.ts';

export interface GgufFile {
  readonly name: string;
  readonly type: GgufType;
  readonly contextLength: number;
  /** What llama.cpp does otherwise than the model, as sentences without a full stop. */
  readonly notes: readonly string[];
}

/** `card` is the model's own card. */
export const createGgufCard = (
  card: ModelCard,
  { name, type, contextLength, notes }: GgufFile,
): ModelCard => ({
  ...card,
  library: 'llama.cpp',
  tags: [...card.tags, 'gguf'],
  facts: [
    ...card.facts,
    ['File', `${name}, weights in ${type}`],
    ['Context length', formatInteger(contextLength)],
  ],
  sections: [
    ...(card.sections ?? []).filter(({ title }) => title !== ggufTitle),
    {
      title: 'Use',
      text: ['```sh', `llama-cli -m ${name} -p "Once upon a time" -n 64`, '```'].join('\n'),
    },
  ],
  limitations: [...card.limitations, ...notes.map((note) => `${note[0]!.toUpperCase()}${note.slice(1)}.`)],
});
