"""Writes tests/fixtures/mup/rules.json: what the package `mup` does to each weight of models of transformers.

Run with any Python that has torch, transformers and mup (1.0.0):
    python tests/parity/make-mup.py

For each weight: the factor of its initial standard deviation (`mup.init.normal_`), its learning rate and weight decay
by `mup.MuAdamW` at rates of 1, and for the head the multiplier of its input (`mup.MuReadout`).
"""
import json

import mup
import torch
from mup.layer import MuReadout, MuSharedReadout
from transformers import AutoConfig, AutoModelForCausalLM

from fixtures import FIXTURES, VERSIONS

LLAMA = dict(model_type="llama", vocab_size=40, num_hidden_layers=2, head_dim=8, attention_bias=True)
NEOX = dict(model_type="gpt_neox", vocab_size=40, num_hidden_layers=2)
OPT = dict(model_type="opt", vocab_size=40, num_hidden_layers=2, max_position_embeddings=16)


def llama(hidden, ffn, heads, kv_heads, tied):
    return dict(LLAMA, hidden_size=hidden, intermediate_size=ffn, num_attention_heads=heads,
                num_key_value_heads=kv_heads, tie_word_embeddings=tied)


def neox(hidden, ffn, heads):
    return dict(NEOX, hidden_size=hidden, intermediate_size=ffn, num_attention_heads=heads, tie_word_embeddings=False)


def opt(hidden, ffn, heads):
    return dict(OPT, hidden_size=hidden, word_embed_proj_dim=hidden, ffn_dim=ffn, num_attention_heads=heads)


# Base and target. The heads keep their width, so that attention scores need no multiplier.
CASES = {
    "llama-twice": (llama(32, 48, 4, 2, False), llama(64, 96, 8, 4, False)),
    "llama-uneven": (llama(32, 48, 4, 2, False), llama(96, 240, 12, 6, False)),
    "llama-tied": (llama(32, 48, 4, 2, True), llama(128, 192, 16, 8, True)),
    "neox": (neox(32, 128, 4), neox(64, 320, 8)),
    "opt": (opt(32, 64, 4), opt(96, 192, 12)),
}


def build(config):
    """The model with mup's readout in the place of its head."""
    given = {key: value for key, value in config.items() if key != "model_type"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **given))
    head = model.get_output_embeddings()
    if model.config.tie_word_embeddings:
        readout = MuSharedReadout(model.get_input_embeddings().weight, bias=False)
    else:
        readout = MuReadout(head.in_features, head.out_features, bias=False)
    model.set_output_embeddings(readout)
    return model, readout


def rules(base_config, config):
    base, _ = build(base_config)
    # mup tells finite from infinite dimensions by a third model whose widths all differ from the base.
    model, readout = build(config)
    mup.set_base_shapes(model, base, delta=model, rescale_params=False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {}
    for group in mup.MuAdamW(model.parameters(), lr=1.0, weight_decay=1.0).param_groups:
        for parameter in group["params"]:
            rates[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    weights = {}
    for name, parameter in model.named_parameters():
        scales = []
        mup.init.constant_std_init_(parameter, lambda tensor, scale=1: scales.append(scale))
        lr, weight_decay = rates[name]
        weights[name] = dict(initScale=scales[0], lr=lr, weightDecay=weight_decay)
    return dict(base=base_config, config=config, readout=1 / readout.width_mult(), weights=weights)


torch.manual_seed(0)
cases = {name: rules(*configs) for name, configs in CASES.items()}
versions = dict(VERSIONS, mup="1.0.0")
path = FIXTURES / "mup" / "rules.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(dict(versions=versions, cases=cases), indent=1) + "\n")
