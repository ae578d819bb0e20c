"""Writes tests/fixtures/golden: tiny random models, and what transformers computes for them.

Run with any Python that has torch, transformers and safetensors:
    python tests/parity/make-golden.py [CASE...]
The same versions on the same kind of processor write the same bytes; `versions` in each file names them.
"""
import json
import re
import shutil
import sys

import safetensors.torch
import torch
from transformers import AutoModelForCausalLM

from fixtures import FIXTURES, VERSIONS, VOCAB, random_tokens, to_floats, use_deterministic_algorithms
from golden_cases import CASES

BATCH, LENGTH = 2, 17


def build_model(model_class, config, seed, attention):
    """A model whose weights are all random, gains and biases too, so that ignoring one changes the logits."""
    model = model_class(model_class.config_class(**config, attn_implementation=attention)).float().eval()
    generator = torch.Generator().manual_seed(seed)
    gains_are_offsets = model_class.__name__.startswith(("Gemma", "Nemotron"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                mean = 1.0 if name.endswith("weight") and not gains_are_offsets else 0.0
                weight.copy_(0.3 * noise + mean)
            else:
                is_embedding = re.search(r"wte|embed_tokens|embed_in|word_embeddings", name)
                weight.copy_(noise * (0.5 if is_embedding else 0.2))
    return model


def rewrite_json(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text())), indent=2, sort_keys=True) + "\n")


def save_model(folder, model, case):
    shutil.rmtree(folder, ignore_errors=True)
    if case.dtype != torch.float32:
        model = model.to(case.dtype)
    if case.without_prefix:
        model.transformer.save_pretrained(folder, max_shard_size=case.max_shard_size)
        add_mask_buffers(folder, model.config)
        rewrite_json(folder / "config.json", lambda config: {**config, "architectures": ["GPT2LMHeadModel"]})
    else:
        model.save_pretrained(folder, max_shard_size=case.max_shard_size)
    for rewrite in case.rewrites:
        rewrite_json(folder / "config.json", rewrite)
    (folder / "generation_config.json").unlink(missing_ok=True)


def add_mask_buffers(folder, config):
    """Adds the causal masks of old GPT-2 files to the first shard."""
    first = sorted(folder.glob("model-*.safetensors"))[0]
    weights = safetensors.torch.load_file(first)
    positions = config.n_positions
    mask = torch.tril(torch.ones(positions, positions)).view(1, 1, positions, positions)
    masks = {f"h.{i}.attn.bias": mask.clone() for i in range(config.n_layer)}
    safetensors.torch.save_file({**weights, **masks}, first, metadata={"format": "pt"})
    files = {name: first.name for name in masks}
    rewrite_json(
        folder / "model.safetensors.index.json",
        lambda index: {**index, "weight_map": {**index["weight_map"], **files}},
    )


def load_model(name, case):
    """The saved model in float32."""
    folder = FIXTURES / "golden" / name
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=case.attention
    ).eval()
    if case.dtype != torch.float32 and "gemma" in name:
        # transformers rounds the embedding scale to the element type of the weights.
        scale = model.model.embed_tokens.embed_scale
        with torch.no_grad():
            scale.copy_(scale.to(case.dtype))
    return model


@torch.no_grad()
def expected_outputs(model, ids):
    logits = model(ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, VOCAB), ids[:, 1:].reshape(-1))
    outputs = {
        "versions": VERSIONS,
        "parameters": model.num_parameters(),
        "shape": [BATCH, LENGTH, VOCAB],
        "ids": ids.tolist(),
        "loss": to_floats(loss)[0],
    }
    if hasattr(model.config, "num_experts_per_tok"):
        outputs["aux_loss"] = to_floats(model(ids[:, :-1], output_router_logits=True).aux_loss)[0]
    prompt = ids[:1, :4]
    greedy = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return {**outputs, "greedy": greedy[0].tolist(), "logits": to_floats(logits)}, logits


def write_golden(name, case):
    folder = FIXTURES / "golden" / name
    model = build_model(case.model_class, case.config, case.seed, case.attention)
    ids = random_tokens(100 + case.seed, BATCH, LENGTH)
    with torch.no_grad():
        logits_before = model(ids).logits
    save_model(folder, model, case)

    outputs, logits = expected_outputs(load_model(name, case), ids)
    tolerance = 1e-5 if case.dtype == torch.float32 else 0.2
    assert (logits - logits_before).abs().max() < tolerance, f"{name} changed when it was saved and loaded"
    (folder / "expected.json").write_text(json.dumps(outputs) + "\n")
    kilobytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e3
    print(
        f"{name:22} {outputs['parameters']:7} parameters  {kilobytes:6.1f} kB  "
        f"loss {outputs['loss']:.4f}  std {logits.std():.3f}"
    )


if __name__ == "__main__":
    use_deterministic_algorithms()
    for name in sys.argv[1:] or CASES:
        write_golden(name, CASES[name])
