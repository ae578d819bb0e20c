"""Grows a checkpoint in PyTorch, for the growth benchmark: width cloning with two whole models in memory.

    python grow_peer.py --checkpoint DIR --out DIR --times 2 --threads 2 [--check]

Opens the source, builds a model of the target size (with its random initialization, as this way of working does),
tiles every weight and divides it by the number of copies of its input, and saves the result. The hidden size, the
feed-forward size and the numbers of heads all grow by `times`. A tied head stays tied; the last norm takes its
factor. Prints one JSON object in the last line.
"""
import argparse
import json
import re
import resource
import sys
import time
from pathlib import Path

import torch
import transformers

GROWN_KEYS = {
    "llama": ["hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"],
    "gpt2": ["n_embd", "n_head", "n_inner"],
}


def grow_config(config, times):
    grown = type(config).from_dict(config.to_dict())
    for key in GROWN_KEYS[config.model_type]:
        if getattr(config, key, None) is not None:
            setattr(grown, key, getattr(config, key) * times)
    return grown


def clone_weight(name, weight, config, times):
    """The grown weight: outputs and inputs repeated as blocks, divided by the number of copies of the input."""
    if re.search(r"wte|wpe|embed_tokens", name):
        return weight.repeat(1, times)
    if name == "lm_head.weight":
        return weight.repeat(1, times) / times
    if weight.ndim == 1:
        parts = weight.chunk(3 if name.endswith("c_attn.bias") else 1)
        is_last_norm = re.search(r"ln_f|model\.norm", name)
        divisor = times if is_last_norm and config.tie_word_embeddings else 1
        return torch.cat([part.repeat(times) for part in parts]) / divisor
    if name.endswith("c_attn.weight"):
        parts = weight.chunk(3, dim=1)
        return torch.cat([part.repeat(times, times) for part in parts], dim=1) / times
    return weight.repeat(times, times) / times


def peak_bytes():
    """Largest resident set size of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare_logits(source, target):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(source.config.vocab_size, (2, 16), generator=generator)
    with torch.no_grad():
        difference = source(ids).logits.float() - target(ids).logits.float()
    return difference.abs().max().item()


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="compare logits afterwards; not measured")
    return parser.parse_args()


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.disable_progress_bar()
    auto_model = transformers.AutoModelForCausalLM

    # Imports the class of the model before the clock starts.
    auto_model._model_mapping[type(transformers.AutoConfig.from_pretrained(args.checkpoint))]
    before = peak_bytes()
    start = time.perf_counter()
    source = auto_model.from_pretrained(args.checkpoint, dtype="auto").eval()
    opened = time.perf_counter()
    target = auto_model.from_config(grow_config(source.config, args.times), dtype=source.dtype).eval()
    parameters = dict(target.named_parameters())
    with torch.no_grad():
        for name, weight in source.named_parameters():
            parameters[name].copy_(clone_weight(name, weight, source.config, args.times))
    grown = time.perf_counter()
    target.save_pretrained(args.out)
    saved = time.perf_counter()

    written = sum(file.stat().st_size for file in Path(args.out).glob("*.safetensors"))
    report = {
        "torch": torch.__version__,
        "parameters": target.num_parameters(),
        "writtenBytes": written,
        "openSeconds": opened - start,
        "growSeconds": grown - opened,
        "saveSeconds": saved - grown,
        "seconds": saved - start,
        "bytesPerSecond": written / (saved - start),
        "peakBytes": peak_bytes(),
        "librariesBytes": before,
    }
    if args.check:
        report["maxLogitDifference"] = compare_logits(source, target)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
