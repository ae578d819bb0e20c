/** @file Turns a model card into one for the ONNX file of the model, with a program that generates text. */
import { formatInteger } from '../../base/format.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { ModelCard } from '../../store/checkpoint/model-card.ts';
import { ggufTitle } from './shared.ts';

/** `card` is the model's own card, `positions` the maximum context length of the ONNX file. */
export const createOnnxCard = (card: ModelCard, model: Checkpoint, positions: number): ModelCard => ({
  ...card,
  library: 'onnxruntime',
  tags: [...card.tags, 'onnx'],
  facts: [
    ...card.facts,
    ['File', 'model.onnx and model.onnx.data, float32, opset 21, batch size 1, dynamic lengths'],
    ['Context length', formatInteger(positions)],
  ],
  sections: [
    ...(card.sections ?? []).filter(({ title }) => title !== ggufTitle),
    { title: 'Use', text: [...describeInputs(model.dims['layers']!), '', ...exampleProgram].join('\n') },
  ],
});

const describeInputs = (layers: number): readonly string[] => [
  'Inputs:',
  '',
  '- `input_ids` and `position_ids` [1, sequence]',
  '- `attention_mask` [1, past + sequence]',
  `- \`past_key_values.{i}.key\` and \`past_key_values.{i}.value\` for each of the ${layers} layers;`,
  '  their length is 0 at the start',
  '',
  'Outputs:',
  '',
  '- `logits` [1, sequence, vocab]',
  '- `present.{i}.key` and `present.{i}.value`, the `past_key_values` of the next run',
];

const exampleProgram = [
  '```py',
  'import numpy as np, onnxruntime as ort',
  'from tokenizers import Tokenizer',
  '',
  'tokenizer = Tokenizer.from_file("tokenizer.json")',
  'session = ort.InferenceSession("model.onnx")',
  'past = {',
  '    i.name: np.zeros([1, i.shape[1], 0, i.shape[3]], np.float32)',
  '    for i in session.get_inputs() if i.name.startswith("past")',
  '}',
  'text, length = tokenizer.encode("Once upon a time").ids, 0',
  'new = text',
  'for _ in range(64):',
  '    end = length + len(new)',
  '    inputs = {',
  '        "input_ids": [new],',
  '        "attention_mask": [[1] * end],',
  '        "position_ids": [list(range(length, end))],',
  '    }',
  '    inputs = {name: np.array(value, np.int64) for name, value in inputs.items()}',
  '    names = [o.name for o in session.get_outputs()]',
  '    outputs = dict(zip(names, session.run(None, inputs | past)))',
  '    past = {name: outputs[name.replace("past_key_values", "present")] for name in past}',
  '    length = end',
  '    new = [int(outputs["logits"][0, -1].argmax())]',
  '    text = text + new',
  'print(tokenizer.decode(text))',
  '```',
];
