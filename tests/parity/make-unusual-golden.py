"""Writes tests/fixtures/unusual: tiny checkpoints whose files differ from what transformers writes today, and the
logits that transformers computes from them.

Run with any Python that has torch, transformers and safetensors:
    python tests/parity/make-unusual-golden.py [CASE...]
"""
import importlib
import json
import shutil
import sys
from dataclasses import dataclass
from typing import Callable

import safetensors.torch
import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    GPT2LMHeadModel,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    MixtralForCausalLM,
    OPTForCausalLM,
    Phi3ForCausalLM,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3ForCausalLM,
    Qwen3VLForConditionalGeneration,
    SmolVLMForConditionalGeneration,
)

from fixtures import FIXTURES, VERSIONS, VOCAB, random_tokens, to_floats, use_deterministic_algorithms
from golden_cases import GEMMA2, GPT2, LLAMA, MOE, NEOX, OPT, PHI3, FULL, SLIDING

build_model = importlib.import_module("make-golden").build_model
transformers.utils.logging.set_verbosity_error()
FOLDER = FIXTURES / "unusual"
HALF = torch.bfloat16


def unchanged(value):
    return value


@dataclass(frozen=True)
class Case:
    model_class: type
    config: dict
    seed: int
    # Change config.json and the weights by stored name, as they are after saving.
    change_config: Callable = unchanged
    change_weights: Callable = unchanged
    auto_class: type = AutoModelForCausalLM


def setting(**keys):
    return lambda config: {**config, **keys}


def without(*keys):
    return lambda config: {key: value for key, value in config.items() if key not in keys}


def renamed(names):
    return lambda config: {names.get(key, key): value for key, value in config.items()}


def removing(prefix):
    return lambda weights: {name.removeprefix(prefix): weight for name, weight in weights.items()}


def adding(prefix):
    return lambda weights: {prefix + name: weight for name, weight in weights.items()}


def spelling(old, new):
    return lambda weights: {name.replace(old, new): weight for name, weight in weights.items()}


def with_buffers(buffers):
    return lambda weights: {**weights, **{name: torch.ones(shape) for name, shape in buffers.items()}}


def with_head(change):
    """Adds a head made from the embedding."""
    return lambda weights: {**weights, "lm_head.weight": change(weights["model.embed_tokens.weight"]).contiguous()}


def head_as_float(weights):
    rounded = {name: weight.to(HALF) for name, weight in weights.items()}
    return {**rounded, "lm_head.weight": rounded["model.embed_tokens.weight"].float()}


def only_head(weights):
    embedding = weights.pop("model.embed_tokens.weight")
    return {**weights, "lm_head.weight": embedding}


TIED = {**LLAMA, "tie_word_embeddings": True}
GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_positions": "max_position_embeddings",
}
LINEAR = {"type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
EXPERTS = {**LLAMA, "num_local_experts": 3, "num_experts_per_tok": 2}

SIGLIP = dict(
    hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4
)
MROPE = {"rope_type": "default", "rope_theta": 500.0, "mrope_section": [1, 1, 1]}
QWEN_TOKENS = dict(image_token_id=35, video_token_id=36, vision_start_token_id=34, vision_end_token_id=33)


def multimodal(model_class, seed, text_config, vision_config, **keys):
    """A text model with a tiny vision tower; the expected logits are those of text alone."""
    config = dict(keys, text_config=text_config, vision_config=vision_config)
    return Case(model_class, config, seed, auto_class=AutoModelForImageTextToText)


CASES = {
    "llama-both-ropes": Case(LlamaForCausalLM, LLAMA, 300, setting(rope_scaling=LINEAR)),
    "llama-both-ropes-theta": Case(LlamaForCausalLM, LLAMA, 301, setting(rope_scaling=LINEAR, rope_theta=500.0)),
    "llama-rope-two-types": Case(
        LlamaForCausalLM, LLAMA, 302, setting(rope_scaling={**LINEAR, "rope_type": "default"})
    ),
    "llama-rope-original-length": Case(
        LlamaForCausalLM,
        LLAMA,
        303,
        setting(
            rope_scaling={**LLAMA3, "original_max_position_embeddings": 32}, original_max_position_embeddings=16
        ),
    ),
    "gemma3-both-ropes": Case(
        Gemma3ForCausalLM,
        {**GEMMA2, "layer_types": [SLIDING, FULL, SLIDING]},
        304,
        setting(
            rope_parameters={FULL: {"rope_type": "default", "rope_theta": 500.0}, SLIDING: None},
            rope_scaling={"rope_type": "linear", "factor": 4.0},
            rope_local_base_freq=30.0,
        ),
    ),
    "phi3-two-partial-factors": Case(
        Phi3ForCausalLM,
        PHI3,
        305,
        setting(rope_parameters={"rope_type": "default", "partial_rotary_factor": 0.67}, partial_rotary_factor=1.0),
    ),
    "neox-partial-factor-in-rope": Case(
        GPTNeoXForCausalLM,
        NEOX,
        306,
        setting(rope_parameters={"rope_type": "default", "partial_rotary_factor": 0.5}, rotary_pct=1.0),
    ),
    "llama-base-names-tied": Case(LlamaForCausalLM, TIED, 310, setting(architectures=["LlamaModel"]), removing("model.")),
    "qwen3-base-names-untied": Case(
        Qwen3ForCausalLM, {**LLAMA, "head_dim": 6}, 311, change_weights=removing("model.")
    ),
    "llama-double-prefix": Case(LlamaForCausalLM, LLAMA, 312, change_weights=adding("model.")),
    "neox-base-names": Case(GPTNeoXForCausalLM, NEOX, 313, change_weights=removing("gpt_neox.")),
    "neox-new-head-name": Case(GPTNeoXForCausalLM, NEOX, 314, change_weights=spelling("embed_out.", "lm_head.")),
    "opt-base-names": Case(OPTForCausalLM, OPT, 315, change_weights=removing("model.")),
    "mixtral-new-names": Case(
        MixtralForCausalLM, EXPERTS, 316, change_weights=spelling(".block_sparse_moe.", ".mlp.")
    ),
    "gpt2-prefixed-head": Case(
        GPT2LMHeadModel,
        {**GPT2, "tie_word_embeddings": False},
        317,
        change_weights=spelling("lm_head.", "transformer.lm_head."),
    ),
    "gpt2-other-sizes": Case(GPT2LMHeadModel, GPT2, 320, renamed(GPT2_NAMES)),
    "gpt2-two-names-of-a-size": Case(GPT2LMHeadModel, {**GPT2, "n_head": 4}, 321, setting(n_head=2, num_attention_heads=4)),
    "gpt2-default-heads": Case(GPT2LMHeadModel, {**GPT2, "n_head": 12}, 322, without("n_head")),
    "mixtral-other-expert-count": Case(
        MixtralForCausalLM, EXPERTS, 323, renamed({"num_local_experts": "num_experts"})
    ),
    "llama-cached-rotary": Case(
        LlamaForCausalLM,
        LLAMA,
        330,
        change_weights=with_buffers(
            {
                "model.layers.0.self_attn.rotary_emb.cos_cached": (1, 1, 64, 6),
                "model.layers.0.self_attn.rotary_emb.sin_cached": (1, 1, 64, 6),
                "model.layers.1.self_attn.rotary_emb.inv_freq": (3,),
                "model.rotary_emb.original_inv_freq": (3,),
            }
        ),
    ),
    "neox-masks": Case(
        GPTNeoXForCausalLM,
        NEOX,
        331,
        change_weights=with_buffers(
            {"gpt_neox.layers.0.attention.bias": (1, 1, 8, 8), "gpt_neox.layers.0.attention.masked_bias": (1,)}
        ),
    ),
    "llama-head-differs": Case(LlamaForCausalLM, TIED, 340, change_weights=with_head(lambda w: 2 * w)),
    "llama-head-copied": Case(LlamaForCausalLM, TIED, 341, change_weights=with_head(torch.clone)),
    "llama-head-as-float": Case(LlamaForCausalLM, TIED, 342, change_weights=head_as_float),
    "llama-only-head": Case(LlamaForCausalLM, TIED, 343, change_weights=only_head),
    "gemma3-multimodal": multimodal(
        Gemma3ForConditionalGeneration,
        350,
        {**GEMMA2, "layer_types": [SLIDING, FULL, SLIDING], "model_type": "gemma3_text"},
        {**SIGLIP, "model_type": "siglip_vision_model"},
        mm_tokens_per_image=4,
        image_token_index=35,
    ),
    "llava-multimodal": multimodal(
        LlavaForConditionalGeneration,
        351,
        {**LLAMA, "model_type": "llama"},
        {**SIGLIP, "projection_dim": 8, "model_type": "clip_vision_model"},
        image_token_id=35,
    ),
    "smolvlm-multimodal": multimodal(
        SmolVLMForConditionalGeneration,
        352,
        {**TIED, "model_type": "llama", "pad_token_id": 0},
        {**SIGLIP, "model_type": "smolvlm_vision"},
        scale_factor=2,
        image_token_id=35,
        tie_word_embeddings=True,
    ),
    "qwen2-5-vl-multimodal": multimodal(
        Qwen2_5_VLForConditionalGeneration,
        353,
        {**LLAMA, "rope_parameters": MROPE, "model_type": "qwen2_5_vl_text"},
        {"depth": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8, "out_hidden_size": 24, "patch_size": 4},
        **QWEN_TOKENS,
    ),
    "qwen3-vl-multimodal": multimodal(
        Qwen3VLForConditionalGeneration,
        354,
        {**LLAMA, "head_dim": 8, "rope_parameters": {**MROPE, "mrope_interleaved": True}, "model_type": "qwen3_vl_text"},
        {
            "depth": 1,
            "hidden_size": 8,
            "num_heads": 2,
            "intermediate_size": 8,
            "out_hidden_size": 24,
            "patch_size": 4,
            "num_position_embeddings": 4,
            "deepstack_visual_indexes": [0],
        },
        **QWEN_TOKENS,
    ),
}


def write_case(name, case):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    build_model(case.model_class, case.config, case.seed).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps(case.change_config(json.loads(path.read_text())), indent=2) + "\n")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file(case.change_weights(weights), folder / "model.safetensors", metadata={"format": "pt"})

    model, report = case.auto_class.from_pretrained(folder, attn_implementation="eager", output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"], (name, report)
    ids = random_tokens(case.seed, 1, 17)
    with torch.no_grad():
        logits = model.eval()(ids).logits
    expected = {
        "versions": VERSIONS,
        "ids": ids[0].tolist(),
        "logits": to_floats(logits, digits=7),
        "tied": model.get_input_embeddings().weight is model.get_output_embeddings().weight,
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    kilobytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e3
    print(f"{name:28} {kilobytes:6.1f} kB  std {logits.std():.3f}  unexpected {sorted(report['unexpected_keys'])[:2]}")


if __name__ == "__main__":
    use_deterministic_algorithms()
    for name in sys.argv[1:] or CASES:
        write_case(name, CASES[name])
