/**
 * @file How a checkpoint becomes a GGUF file: the commands of llama.cpp, for the families whose tables say
 * that it knows them.
 */

/** As Markdown. */
export const ggufCommands = [
  'In a checkout of [llama.cpp](https://github.com/ggml-org/llama.cpp), built, with this folder as `MODEL`:',
  '',
  '```sh',
  'pip install -r requirements.txt',
  'python convert_hf_to_gguf.py MODEL --outfile model-f16.gguf --outtype f16',
  'llama-quantize model-f16.gguf model-Q4_K_M.gguf Q4_K_M',
  'llama-cli -m model-Q4_K_M.gguf -p "Once upon a time" -n 64',
  '```',
  '',
  'The converter knows tokenizers by their hash and refuses one that it has not met.',
].join('\n');
