/** @file How to convert an exported checkpoint to GGUF with llama.cpp, as Markdown for model card files. */

export const ggufCommands = [
  'In a built checkout of [llama.cpp](https://github.com/ggml-org/llama.cpp), with this folder as `MODEL`:',
  '',
  '```sh',
  'pip install -r requirements.txt',
  'python convert_hf_to_gguf.py MODEL --outfile model-f16.gguf --outtype f16',
  'llama-quantize model-f16.gguf model-Q4_K_M.gguf Q4_K_M',
  'llama-cli -m model-Q4_K_M.gguf -p "Once upon a time" -n 64',
  '```',
  '',
  'The converter identifies tokenizers by hash and refuses unknown ones.',
].join('\n');
