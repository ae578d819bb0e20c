"""Writes tests/fixtures/tokenizers/folders.json.zst: folders with every combination of tokenizer files and
settings that changes tokens, and what AutoTokenizer of transformers gives for them.

    python tests/parity/make-tokenizer-folder-golden.py
"""
import json
import os
import pathlib
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from difficult_texts import TEXTS
from fixture_files import write_json_zst

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "tokenizers"
NAMES = ["plain", "contractions", "leading and trailing space", "inner runs", "crlf", "special look-alikes",
         "special in words", "nfd", "numbers", "emoji", "metaspace", "next line", "empty", "case"]
TEXT_LIST = [TEXTS[name] for name in NAMES] + ["a <|endoftext|> b", "x [MASK] y", "<s>Hello </s> world<extra_0>!"]
ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def train(model, trainer, normalizer=None, pre_tokenizer=None):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(list(TEXTS.values()), trainer)
    return json.loads(tokenizer.to_str())


def byte_level(special=("<|endoftext|>",)):
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=list(special), initial_alphabet=ALPHABET, show_progress=False)
    form = train(models.BPE(), trainer, None, pre_tokenizers.ByteLevel(add_prefix_space=False))
    form["decoder"] = json.loads(decoders.ByteLevel().__getstate__())
    return form


def piece_level():
    """As Llama 2 is stored: a prefix from the normalizer, byte fallback, and BOS from the post-processor."""
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=120, show_progress=False)
    form = train(models.BPE(), trainer, normalizer)
    vocab = form["model"]["vocab"]
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    form["model"].update({"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True})
    sequence = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    form["decoder"] = json.loads(decoders.Sequence(sequence).__getstate__())
    template = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    form["post_processor"] = json.loads(template.__getstate__())
    return form


def word_piece():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, limit_alphabet=150, show_progress=False)
    form = train(models.WordPiece(unk_token="[UNK]"), trainer, normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer())
    form["decoder"] = json.loads(decoders.WordPiece(cleanup=False).__getstate__())
    return form


def word_level():
    trainer = trainers.WordLevelTrainer(vocab_size=150, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    return train(models.WordLevel(unk_token="<unk>"), trainer, None, pre_tokenizers.Whitespace())


def unigram():
    trainer = trainers.UnigramTrainer(vocab_size=1000, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False)
    form = train(models.Unigram(), trainer, normalizers.NFKC(), pre_tokenizers.Metaspace())
    form["decoder"] = json.loads(decoders.Metaspace().__getstate__())
    return form


def token(content, **more):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **more}


def as_files(form):
    """A BPE as vocab.json and merges.txt."""
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in form["model"]["merges"]]
    return {"vocab.json": form["model"]["vocab"], "merges.txt": "\n".join(["#version: 0.2", *merges, ""])}


def folders():
    """Name, model type, tokenizer.json (or None), settings (or None), and other files."""
    b, p, w, l, u = byte_level(), piece_level(), word_piece(), word_level(), unigram()
    end = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}
    s = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    plain = {"tokenizer_class": "PreTrainedTokenizerFast"}
    llama = {"tokenizer_class": "LlamaTokenizer", **s}
    digits = {**b, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, b["pre_tokenizer"]]}}
    # Settings: none, minimal, and tokens that tokenizer.json does not list.
    yield "no settings", "llama", b, None, {}
    yield "eos only", "llama", b, {"eos_token": "<|endoftext|>"}, {}
    yield "plain class", "llama", b, {**plain, **end}, {}
    yield "unknown class", "llama", b, {"tokenizer_class": "SomebodysTokenizer", **end}, {}
    yield "special tokens beside the vocabulary", "llama", b, {**plain, "eos_token": "</s>", "bos_token": "<s>", "pad_token": "[MASK]"}, {}
    yield "extra special tokens", "llama", b, {**plain, **end, "extra_special_tokens": ["<extra_0>", "fox"]}, {}
    yield "additional special tokens", "llama", b, {**plain, **end, "additional_special_tokens": ["<extra_0>", "fox"]}, {}
    yield "named extra special tokens", "llama", b, {**plain, **end, "extra_special_tokens": {"image_token": "<extra_0>"}}, {}
    yield "model-specific token", "llama", b, {**plain, **end, "image_token": "<extra_0>"}, {}
    yield "added_tokens_decoder", "llama", b, {**plain, **end, "added_tokens_decoder": {"0": token("<|endoftext|>", lstrip=True, rstrip=True), "320": token("hello", special=False, single_word=True)}}, {}
    yield "special_tokens_map", "llama", b, plain, {"special_tokens_map.json": {"eos_token": token("</s>"), "bos_token": "<s>", "mask_token": token("[MASK]", lstrip=True)}}
    yield "special_tokens_map over settings", "llama", b, {**plain, "eos_token": "quick"}, {"special_tokens_map.json": {"eos_token": "</s>"}}
    yield "added_tokens.json", "llama", b, {**plain, **end}, {"added_tokens.json": {"<extra_0>": 320, "fox": 321}}
    yield "added token as an object", "llama", b, {**plain, "eos_token": {"__type": "AddedToken", **token("</s>", rstrip=True)}}, {}
    yield "split_special_tokens", "llama", b, {**plain, **end, "split_special_tokens": True}, {}
    yield "truncation and padding", "llama", {**b, "truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}, "padding": {"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"}}, {**plain, **end}, {}
    # add_bos_token, add_eos_token and add_prefix_space, with tokenizer.json and without.
    for add in ({"add_bos_token": True}, {"add_eos_token": True}, {"add_bos_token": True, "add_eos_token": True}, {"add_bos_token": False}, {"add_prefix_space": True}):
        name = " ".join(f"{key}={value}" for key, value in add.items())
        yield f"{name} plain", "llama", b, {**plain, **end, **add}, {}
        yield f"{name} GPT2Tokenizer", "gpt2", b, {"tokenizer_class": "GPT2Tokenizer", **end, **add}, {}
        yield f"{name} vocab and merges", "gpt2", None, {"tokenizer_class": "GPT2Tokenizer", **end, **add}, as_files(b)
        yield f"{name} LlamaTokenizer", "llama", p, {**llama, **add}, {}
        yield f"{name} GPTNeoXTokenizer", "gpt_neox", b, {"tokenizer_class": "GPTNeoXTokenizer", **end, **add}, {}
    # Classes that build their own pipeline.
    yield "GPT2Tokenizer replaces Digits", "gpt2", digits, {"tokenizer_class": "GPT2Tokenizer", **end}, {}
    yield "model type replaces Digits", "gpt2", digits, None, {}
    yield "plain class keeps Digits", "gpt2", digits, {**plain, **end}, {}
    yield "GPTNeoXTokenizer of the model type", "gpt_neox", b, {"eos_token": "<|endoftext|>"}, {}
    yield "GPTNeoXTokenizer drops the template", "gpt_neox", {**b, "post_processor": p["post_processor"], "added_tokens": b["added_tokens"]}, {"tokenizer_class": "GPTNeoXTokenizer", **end}, {}
    yield "Qwen2Tokenizer", "qwen2", b, {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "additional_special_tokens": ["<extra_0>"]}, {}
    yield "Qwen2Tokenizer in spite of the class", "qwen2", b, {**plain, **end}, {}
    yield "Qwen3 with a plain class", "qwen3", b, {**plain, **end}, {}
    yield "Qwen3 without settings", "qwen3", b, None, {}
    yield "Qwen2Tokenizer vocab and merges", "qwen2", None, {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "additional_special_tokens": ["<extra_0>"]}, as_files(b)
    for legacy in (None, True, False):
        yield f"LlamaTokenizer legacy={legacy}", "llama", p, {**llama, "legacy": legacy}, {}
    yield "LlamaTokenizer", "llama", p, llama, {}
    yield "LlamaTokenizerFast", "llama", p, {**llama, "tokenizer_class": "LlamaTokenizerFast"}, {}
    yield "LlamaTokenizer without prefix", "llama", p, {**llama, "add_prefix_space": False}, {}
    yield "LlamaTokenizer of a byte-level file", "llama", b, {"tokenizer_class": "LlamaTokenizer", **end}, {}
    yield "LlamaTokenizer of a mistral", "mistral", p, llama, {}
    yield "LlamaTokenizer of a phi3", "phi3", p, llama, {}
    yield "LlamaTokenizer of a gpt2", "gpt2", p, llama, {}
    yield "plain pieces", "llama", p, {**plain, **s}, {}
    yield "CodeLlamaTokenizer", "llama", p, {"tokenizer_class": "CodeLlamaTokenizer", **s}, {}
    yield "GemmaTokenizer", "gemma", p, {"tokenizer_class": "GemmaTokenizer", **s}, {}
    yield "GemmaTokenizer of the model type", "gemma3_text", p, s, {}
    yield "stablelm with GPTNeoXTokenizer", "stablelm", b, {"tokenizer_class": "GPTNeoXTokenizer", **end}, {}
    yield "olmo2 with GPT2Tokenizer", "olmo2", digits, {"tokenizer_class": "GPT2Tokenizer", **end}, {}
    yield "class of config.json", "llama", digits, end, {"config.json": {"model_type": "llama", "tokenizer_class": "GPT2Tokenizer"}}
    # Vocabularies without tokenizer.json.
    yield "gpt2 vocab and merges", "gpt2", None, {"tokenizer_class": "GPT2Tokenizer", **end}, as_files(b)
    yield "vocab and merges without settings", "gpt2", None, None, as_files(b)
    yield "opt", "opt", None, {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "add_prefix_space": False, "errors": "replace", "unk_token": {"__type": "AddedToken", **token("</s>", normalized=True)}, "bos_token": {"__type": "AddedToken", **token("</s>", normalized=True)}, "eos_token": {"__type": "AddedToken", **token("</s>", normalized=True)}, "pad_token": {"__type": "AddedToken", **token("<pad>", normalized=True)}}, {**as_files(byte_level(("<s>", "<pad>", "</s>", "<unk>"))), "special_tokens_map.json": {"bos_token": token("</s>", normalized=True), "eos_token": token("</s>", normalized=True), "unk_token": token("</s>", normalized=True), "pad_token": token("<pad>", normalized=True)}}
    yield "vocab and merges with added tokens", "gpt2", None, {"tokenizer_class": "GPT2Tokenizer", **end}, {**as_files(b), "added_tokens.json": {"<extra_0>": 320}, "special_tokens_map.json": {"additional_special_tokens": ["<extra_0>"], **end}}
    yield "gpt_neox vocab and merges", "gpt_neox", None, {"tokenizer_class": "GPTNeoXTokenizer", **end}, as_files(b)
    lines = {"vocab.txt": "".join(f"{text}\n" for text, _ in sorted(w["model"]["vocab"].items(), key=lambda item: item[1]))}
    yield "BertTokenizer vocab.txt", "gpt2", None, {"tokenizer_class": "BertTokenizer"}, lines
    yield "BertTokenizer cased", "gpt2", None, {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "tokenize_chinese_chars": False}, lines
    yield "BertTokenizer", "gpt2", w, {"tokenizer_class": "BertTokenizer"}, {}
    # clean_up_tokenization_spaces, by type of the model.
    for name, form, more in (("BPE", b, end), ("WordPiece", w, {}), ("WordLevel", l, s), ("Unigram", u, s), ("pieces", p, s)):
        for clean in (True, False):
            yield f"clean up {name} {clean}", "llama", form, {**plain, **more, "clean_up_tokenization_spaces": clean}, {}
    forced = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
    yield "clean up BPE forced", "llama", b, {**plain, **end, "clean_up_tokenization_spaces": True, forced: True}, {}


def golden(name, model_type, form, settings, others):
    files = {"config.json": {"model_type": model_type}, **others}
    if form is not None:
        files["tokenizer.json"] = form
    if settings is not None:
        files["tokenizer_config.json"] = settings
    texts = {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        for key, value in texts.items():
            pathlib.Path(folder, key).write_text(value, encoding="utf-8", newline="")
        auto = AutoTokenizer.from_pretrained(folder)
        ids = [auto(text)["input_ids"] for text in TEXT_LIST]
        return {
            "name": name, "files": texts, "class": type(auto).__name__, "ids": ids, "eos": auto.eos_token_id, "bos": auto.bos_token_id,
            "decoded": [auto.decode(sequence, skip_special_tokens=True) for sequence in ids],
            "cleaned": auto.decode(auto(" a . b ! c ? d , e ' f n't g 's h")["input_ids"], skip_special_tokens=True),
        }


def main():
    cases = [golden(*folder) for folder in folders()]
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    write_json_zst(FIXTURES / "folders.json.zst", {"versions": versions, "texts": TEXT_LIST, "cases": cases})
    print(len(cases), "folders,", (FIXTURES / "folders.json.zst").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
