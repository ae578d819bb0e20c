"""Writes tests/fixtures/tokenizers/components.json.zst: tiny tokenizers, one for each component of the library
and each of its options, and what Python's tokenizers gives for difficult texts.

Run with any Python that has tokenizers and sentencepiece (for the character map of nmt_nfkc):
    python tests/parity/make-tokenizer-golden.py
"""
import io
import json
import pathlib
import random

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from difficult_texts import TEXTS
from fixture_files import write_json_zst

ROOT = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
TEXT_LIST = list(TEXTS.values())
SPECIAL = ["<unk>", "<s>", "</s>", "[MASK]"]


def nmt_nfkc_charsmap():
    """The character map of sentencepiece's default normalization."""
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g"] * 10), model_writer=buffer, vocab_size=12, model_type="char",
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto.FromString(buffer.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def train(normalizer=None, pre_tokenizer=None, kind="BPE", size=330, **options):
    """A small tokenizer that was trained on the texts behind these components."""
    model = {"BPE": models.BPE, "Unigram": models.Unigram, "WordPiece": models.WordPiece, "WordLevel": models.WordLevel}
    size = 1000 if kind == "Unigram" else size
    trainer = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer,
               "WordPiece": trainers.WordPieceTrainer, "WordLevel": trainers.WordLevelTrainer}
    empty = model[kind]() if kind in ("Unigram", "BPE") else model[kind](unk_token="<unk>")
    tokenizer = Tokenizer(empty)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if kind == "Unigram":
        options["unk_token"] = "<unk>"
    alphabet = list("abcdefghijklmnopqrstuvwxyzABC0123456789 .,'!?▁Ġ\n")
    if kind != "WordLevel":
        options["initial_alphabet"] = alphabet
    if kind in ("BPE", "WordPiece"):
        options["limit_alphabet"] = 220
    arguments = {"vocab_size": size, "special_tokens": SPECIAL, "show_progress": False, **options}
    tokenizer.train_from_iterator(TEXT_LIST * 2, trainer[kind](**arguments))
    return tokenizer


def with_model(tokenizer, **changes):
    """The tokenizer with other settings of its model."""
    form = json.loads(tokenizer.to_str())
    form["model"].update(changes)
    return Tokenizer.from_str(json.dumps(form))


def byte_alphabet_bpe(**changes):
    """A BPE with the 256 byte tokens of byte fallback."""
    tokenizer = train(normalizers.Replace(" ", "▁"), None, size=500)
    form = json.loads(tokenizer.to_str())
    vocab = form["model"]["vocab"]
    for byte in range(256):
        vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    form["model"].update({"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True, **changes})
    return Tokenizer.from_str(json.dumps(form))


def normalizer_cases():
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain = {
        "NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD(),
        "Lowercase": normalizers.Lowercase(), "Nmt": normalizers.Nmt(),
        "StripAccents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
        "Strip": normalizers.Strip(), "Strip left": normalizers.Strip(left=True, right=False),
        "Strip right": normalizers.Strip(left=False, right=True),
        "BertNormalizer": normalizers.BertNormalizer(),
        "BertNormalizer cased": normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, lowercase=False),
        "BertNormalizer accents": normalizers.BertNormalizer(clean_text=False, strip_accents=False, lowercase=True),
        "Precompiled": normalizers.Precompiled(nmt_nfkc_charsmap()),
        "Prepend": normalizers.Prepend("▁"),
        "Replace": normalizers.Replace(" ", "▁"), "Replace text": normalizers.Replace("ab", "X"),
        "Replace regex": normalizers.Replace(Regex(r" {2,}"), " "),
        "Sequence": normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("e", "E")]),
    }
    for name, normalizer in plain.items():
        yield f"normalizer {name}", train(normalizer, byte_level)
    yield "normalizer ByteLevel", train(normalizers.ByteLevel(), None, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def pre_tokenizer_cases():
    p = pre_tokenizers
    plain = {
        "BertPreTokenizer": p.BertPreTokenizer(), "Whitespace": p.Whitespace(), "WhitespaceSplit": p.WhitespaceSplit(),
        "UnicodeScripts": p.UnicodeScripts(), "Digits": p.Digits(individual_digits=False),
        "Digits individual": p.Digits(individual_digits=True), "CharDelimiterSplit": p.CharDelimiterSplit("-"),
        "FixedLength": p.FixedLength(length=5),
        "Sequence": p.Sequence([p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False)]),
        "Sequence Whitespace": p.Sequence([p.WhitespaceSplit(), p.Punctuation("isolated"), p.Metaspace()]),
    }
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        plain[f"Punctuation {behavior}"] = p.Punctuation(behavior)
        plain[f"Split text {behavior}"] = p.Split(" ", behavior)
        plain[f"Split regex {behavior}"] = p.Split(Regex(r"\s+|\p{N}{1,2}"), behavior)
        plain[f"Split inverted {behavior}"] = p.Split(Regex(r"\w+|[^\w\s]+"), behavior, invert=True)
    for prefix in (False, True):
        for regex in (False, True):
            plain[f"ByteLevel prefix={prefix} regex={regex}"] = p.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    for scheme in ("always", "first", "never"):
        for split in (False, True):
            plain[f"Metaspace {scheme} split={split}"] = p.Metaspace(prepend_scheme=scheme, split=split)
    for name, pre_tokenizer in plain.items():
        yield f"pre-tokenizer {name}", train(None, pre_tokenizer)


def model_cases():
    space = pre_tokenizers.Whitespace()
    yield "model BPE without unk", train(None, space)
    yield "model BPE unk", with_model(train(None, space, size=150), unk_token="<unk>")
    yield "model BPE fuse_unk", with_model(train(None, space, size=150), unk_token="<unk>", fuse_unk=True)
    yield "model BPE ignore_merges", with_model(train(None, space, size=300), ignore_merges=True)
    yield "model BPE affixes", train(None, space, continuing_subword_prefix="##", end_of_word_suffix="</w>")
    yield "model BPE byte_fallback", byte_alphabet_bpe()
    yield "model BPE byte_fallback without fuse", byte_alphabet_bpe(fuse_unk=False)
    yield "model Unigram", train(normalizers.NFKC(), pre_tokenizers.Metaspace(), kind="Unigram")
    yield "model Unigram whole text", train(None, pre_tokenizers.Metaspace(split=False), kind="Unigram")
    unigram = json.loads(train(None, pre_tokenizers.Metaspace(), kind="Unigram", size=300).to_str())
    unigram["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    unigram["model"]["byte_fallback"] = True
    yield "model Unigram byte_fallback", Tokenizer.from_str(json.dumps(unigram))
    yield "model WordPiece", train(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), kind="WordPiece")
    short = train(None, pre_tokenizers.BertPreTokenizer(), kind="WordPiece")
    yield "model WordPiece max_input_chars_per_word", with_model(short, max_input_chars_per_word=6)
    yield "model WordLevel", train(normalizers.Lowercase(), space, kind="WordLevel", size=200)


def decoder_cases():
    d = decoders
    base = byte_alphabet_bpe()
    plain = {
        "null": None, "Fuse": d.Fuse(), "Metaspace": d.Metaspace(), "Metaspace never": d.Metaspace(prepend_scheme="never"),
        "ByteFallback": d.ByteFallback(), "Replace": d.Replace("▁", " "), "Replace regex": d.Replace(Regex("[aeiou]"), "*"),
        "Strip": d.Strip("▁", 1, 0), "Strip three": d.Strip("a", 3, 0), "CTC": d.CTC("<s>", "▁", True), "CTC without cleanup": d.CTC("<s>", "▁", False),
        "WordPiece": d.WordPiece(), "WordPiece without cleanup": d.WordPiece(cleanup=False),
        "Sequence": d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)]),
        "Sequence two spaces": d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 2, 0)]),
        "Sequence replaced after Fuse": d.Sequence([d.Fuse(), d.Replace("▁", " ")]),
        "Sequence long pattern after Fuse": d.Sequence([d.Fuse(), d.Replace("▁a", " A")]),
        "Sequence ByteFallback without Fuse": d.Sequence([d.Replace("▁", " "), d.ByteFallback()]),
    }
    for name, decoder in plain.items():
        tokenizer = Tokenizer.from_str(base.to_str())
        if decoder is not None:
            tokenizer.decoder = decoder
        yield f"decoder {name}", tokenizer
    byte_level = train(None, pre_tokenizers.ByteLevel(add_prefix_space=False), initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    byte_level.decoder = d.ByteLevel()
    yield "decoder ByteLevel", byte_level
    suffix = train(None, pre_tokenizers.Whitespace(), end_of_word_suffix="</w>")
    suffix.decoder = d.BPEDecoder("</w>")
    yield "decoder BPEDecoder", suffix
    pieces = train(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), kind="WordPiece")
    pieces.decoder = d.WordPiece()
    yield "decoder WordPiece of WordPiece", pieces


def post_processor_cases():
    q = processors
    base = train(None, pre_tokenizers.ByteLevel(), initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    template = q.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)])
    plain = {
        "BertProcessing": q.BertProcessing(("</s>", 2), ("<s>", 1)), "RobertaProcessing": q.RobertaProcessing(("</s>", 2), ("<s>", 1)),
        "TemplateProcessing": template, "ByteLevel": q.ByteLevel(trim_offsets=True),
        "Sequence": q.Sequence([q.ByteLevel(trim_offsets=False), template]),
    }
    for name, processor in plain.items():
        tokenizer = Tokenizer.from_str(base.to_str())
        tokenizer.post_processor = processor
        yield f"post-processor {name}", tokenizer


def added_token_cases():
    base = train(normalizers.Lowercase(), pre_tokenizers.ByteLevel(add_prefix_space=False), initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    metaspace = train(normalizers.NFKC(), pre_tokenizers.Metaspace(split=False))
    for name in ("single_word", "lstrip", "rstrip", "normalized", "special"):
        for value in (False, True):
            for kind, source in (("", base), (" Metaspace", metaspace)):
                tokenizer = Tokenizer.from_str(source.to_str())
                options = {"normalized": False, name: value}
                tokenizer.add_tokens([AddedToken(text, **options) for text in ("hello", "ABC", "<bos>", "fox", "ab", "s it", "日本")])
                yield f"added token {name}={value}{kind}", tokenizer
    strips = Tokenizer.from_str(base.to_str())
    strips.add_tokens([AddedToken("<|endoftext|>", lstrip=True, rstrip=True, special=True), AddedToken("[MASK]", lstrip=True)])
    yield "added token lstrip and rstrip", strips


def golden(name, tokenizer):
    """Ids and tokens of every text, and the decoded text of those and of random ids."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encodings = [tokenizer.encode(text) for text in TEXT_LIST]
    source = random.Random(name)
    size = tokenizer.get_vocab_size()
    sequences = [encoding.ids for encoding in encodings]
    sequences += [[source.randrange(size) for _ in range(source.randrange(1, 24))] for _ in range(12)]
    decoded = {} if name.startswith(("normalizer", "pre-tokenizer")) else {
        "decoded": [tokenizer.decode(ids, skip_special_tokens=True) for ids in sequences],
        "decodedWithSpecial": [tokenizer.decode(ids, skip_special_tokens=False) for ids in sequences[-12:]],
    }
    return {
        "name": name,
        "tokenizer": json.loads(tokenizer.to_str()),
        "ids": [encoding.ids for encoding in encodings],
        "tokens": [encoding.tokens for encoding in encodings[6:12]],
        "plain": [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXT_LIST[6:12]],
        "random": sequences[len(encodings):],
        **decoded,
    }


def main():
    makers = (normalizer_cases, pre_tokenizer_cases, model_cases, decoder_cases, post_processor_cases, added_token_cases)
    cases = [golden(name, tokenizer) for maker in makers for name, tokenizer in maker()]
    (ROOT / "text").mkdir(exist_ok=True)
    (ROOT / "tokenizers").mkdir(exist_ok=True)
    texts = json.dumps(TEXTS, ensure_ascii=True, indent=1)
    (ROOT / "text" / "difficult.json").write_text(texts + "\n")
    write_json_zst(ROOT / "tokenizers" / "components.json.zst", {"versions": {"tokenizers": tokenizers.__version__}, "cases": cases})
    print(len(cases), "components,", (ROOT / "tokenizers" / "components.json.zst").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
