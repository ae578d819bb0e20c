"""Trains the demo's tokenizer on its corpus: resources/demo/seedling/tokenizer.json and tokenizer_config.json, and a sample of what it gives.

    python resources/demo/make-tokenizer.py         (needs PyPI `tokenizers` here and Node 24 in node_modules/.bin)
"""
import json
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VOCAB, BYTES, END = 1024, 4_000_000, "<|endoftext|>"

corpus = subprocess.run([ROOT / "node_modules/.bin/node", "--input-type=module", "-e",
                         f"import {{ toyCorpus }} from '{(ROOT / 'src-main/train/toy-corpus.ts').as_uri()}'; process.stdout.write(toyCorpus({BYTES}))"],
                        check=True, capture_output=True, text=True).stdout

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer.train_from_iterator(corpus.split("\n\n"), trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=[END], initial_alphabet=alphabet, show_progress=False))
assert tokenizer.get_vocab_size() == VOCAB and tokenizer.token_to_id(END) == 0

out = HERE / "seedling"
out.mkdir(exist_ok=True)
tokenizer.save(str(out / "tokenizer.json"))
(out / "tokenizer_config.json").write_text(json.dumps({"bos_token": END, "clean_up_tokenization_spaces": False, "eos_token": END, "model_max_length": 256,
                                                       "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": None}, indent=2, sort_keys=True) + "\n")

# What a second implementation must agree with: the corpus, other text, spaces, case, digits, marks, other scripts, the special token.
samples = [*corpus.split("\n\n")[:3], "Once upon a time", "  two  spaces\n\n\nand\tlines ", "I'll say she's 42, isn't it?", "MIA and mia; (x+y)=z_0!", "naïve café — 東京 🌱 e\u0301", f"one{END}two", ""]
encoded = [{"text": s, "ids": tokenizer.encode(s).ids} for s in samples]
assert all(tokenizer.decode(e["ids"], skip_special_tokens=False) == e["text"] for e in encoded)
(ROOT / "tests/fixtures/demo-tokenizer.json").write_text(json.dumps(encoded, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
tokens = len(tokenizer.encode(corpus).ids)
print(f"{VOCAB} tokens; {len(corpus)} bytes of corpus are {tokens} tokens, {len(corpus) / tokens:.2f} bytes each")
