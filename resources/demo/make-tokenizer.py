"""Trains the tokenizer of the demo on the toy corpus and writes it to resources/demo/seedling.

Also writes tests/fixtures/demo-tokenizer.json: what Python's tokenizers gives for some awkward texts.

    pip install tokenizers
    python resources/demo/make-tokenizer.py         (uses Node 24 from node_modules/.bin)
"""
import json
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VOCAB_SIZE = 1024
CORPUS_BYTES = 4_000_000
END_OF_TEXT = "<|endoftext|>"


def read_corpus():
    module = (ROOT / "src-main/train/toy-corpus.ts").as_uri()
    script = f"import {{ toyCorpus }} from '{module}'; process.stdout.write(toyCorpus({CORPUS_BYTES}))"
    node = [ROOT / "node_modules/.bin/node", "--input-type=module", "-e", script]
    return subprocess.run(node, check=True, capture_output=True, text=True).stdout


def train(corpus):
    """A byte-level BPE tokenizer; END_OF_TEXT is token 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus.split("\n\n"), trainer)
    assert tokenizer.get_vocab_size() == VOCAB_SIZE and tokenizer.token_to_id(END_OF_TEXT) == 0
    return tokenizer


def write_tokenizer(tokenizer, folder):
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "bos_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "eos_token": END_OF_TEXT,
        "model_max_length": 256,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }
    text = json.dumps(config, indent=2, sort_keys=True)
    (folder / "tokenizer_config.json").write_text(text + "\n")


def write_samples(tokenizer, corpus, path):
    """Token ids that another implementation must give too: spaces, digits, other scripts, the special token."""
    samples = [
        *corpus.split("\n\n")[:3],
        "Once upon a time",
        "  two  spaces\n\n\nand\tlines ",
        "I'll say she's 42, isn't it?",
        "MIA and mia; (x+y)=z_0!",
        "naïve café — 東京 🌱 e\u0301",
        f"one{END_OF_TEXT}two",
        "",
    ]
    encoded = [{"text": text, "ids": tokenizer.encode(text).ids} for text in samples]
    for sample in encoded:
        assert tokenizer.decode(sample["ids"], skip_special_tokens=False) == sample["text"]
    path.write_text(json.dumps(encoded, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    corpus = read_corpus()
    tokenizer = train(corpus)
    write_tokenizer(tokenizer, HERE / "seedling")
    write_samples(tokenizer, corpus, ROOT / "tests/fixtures/demo-tokenizer.json")
    tokens = len(tokenizer.encode(corpus).ids)
    print(f"{len(corpus)} bytes of corpus are {tokens} tokens, {len(corpus) / tokens:.2f} bytes per token")


if __name__ == "__main__":
    main()
