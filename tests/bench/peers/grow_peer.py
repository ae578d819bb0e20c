"""The PyTorch side of the growth benchmark: width cloning as it is usually done, with two whole models in memory.

    python grow_peer.py --checkpoint DIR --out DIR --times 2 --threads 2 [--check]

The source is opened, a model of the target size is built (its random initialisation is part of that way of working), every weight is tiled and divided by the copies of its input, the result is saved.
Hidden, feed-forward and heads all grow `times`; a tied head stays tied with the division folded into the last norm. The last line printed is one JSON object.
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

GROWN = {"llama": ["hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"], "gpt2": ["n_embd", "n_head", "n_inner"]}


def grown_config(config, times):
    new = type(config).from_dict(config.to_dict())
    for key in GROWN[config.model_type]:
        if getattr(config, key, None) is not None:
            setattr(new, key, getattr(config, key) * times)
    return new


def cloned(name, weight, config, times):
    """The grown weight: outputs and inputs repeated block-wise, divided by the copies of the input."""
    tied = config.tie_word_embeddings
    if re.search(r"wte|wpe|embed_tokens", name):
        return weight.repeat(1, times)
    if name == "lm_head.weight":
        return weight.repeat(1, times) / times
    if weight.ndim == 1:
        parts = 3 if name.endswith("c_attn.bias") else 1
        last = re.search(r"ln_f|model\.norm", name)
        return torch.cat([part.repeat(times) for part in weight.chunk(parts)]) / (times if last and tied else 1)
    if name.endswith("c_attn.weight"):
        return torch.cat([part.repeat(times, times) for part in weight.chunk(3, dim=1)], dim=1) / times
    return weight.repeat(times, times) / times


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--times", type=int, default=2)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--check", action="store_true", help="compare logits afterwards (outside of the time and memory reported)")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    transformers.utils.logging.disable_progress_bar()

    # The model's class is imported before the clock starts: libraries are not growth.
    transformers.AutoModelForCausalLM._model_mapping[type(transformers.AutoConfig.from_pretrained(a.checkpoint))]
    before = peak_bytes()
    start = time.perf_counter()
    source = transformers.AutoModelForCausalLM.from_pretrained(a.checkpoint, dtype="auto").eval()
    opened = time.perf_counter()
    target = transformers.AutoModelForCausalLM.from_config(grown_config(source.config, a.times), dtype=source.dtype).eval()
    into = dict(target.named_parameters())
    with torch.no_grad():
        for name, weight in source.named_parameters():
            into[name].copy_(cloned(name, weight, source.config, a.times))
    grown = time.perf_counter()
    target.save_pretrained(a.out)
    saved = time.perf_counter()
    peak = peak_bytes()

    written = sum(f.stat().st_size for f in Path(a.out).glob("*.safetensors"))
    report = {"torch": torch.__version__, "parameters": target.num_parameters(), "writtenBytes": written, "openSeconds": opened - start, "growSeconds": grown - opened,
              "saveSeconds": saved - grown, "seconds": saved - start, "bytesPerSecond": written / (saved - start), "peakBytes": peak, "librariesBytes": before}
    if a.check:
        ids = torch.randint(source.config.vocab_size, (2, 16), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            report["maxDelta"] = (source(ids).logits.float() - target(ids).logits.float()).abs().max().item()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
