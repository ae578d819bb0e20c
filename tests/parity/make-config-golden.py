"""Writes tests/fixtures/transformers: how transformers reads config.json files and names of weights.

Run with any Python that has torch and transformers:
    python tests/parity/make-config-golden.py [FAMILY...]
With families, only those are written again; it takes seconds for each.

classes.json  by family: the attribute map, the fields with their types and defaults, and the patterns of names
              that the classes of a family ignore
configs.json  config.json files with unusual keys, and the sizes that the config class reads from them
rope.json     config.json files with unusual rotary keys, and the frequencies that the model computes from them
names.json    stored names, and the weights that they are loaded into
"""
import dataclasses
import json
import math
import sys
import typing

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from fixtures import FIXTURES, VERSIONS

transformers.utils.logging.set_verbosity_error()
FOLDER = FIXTURES / "transformers"

COMMON = dict(
    vocab_size=37,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=64,
)
GROUPED = dict(COMMON, num_key_value_heads=1)
GEMMA = dict(GROUPED, head_dim=16)
MOE = dict(GROUPED, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=12)
FALCON = {("ffn_hidden_size" if key == "intermediate_size" else key): value for key, value in COMMON.items()}
OPT = {("ffn_dim" if key == "intermediate_size" else key): value for key, value in COMMON.items()}

# A small config.json by the id of the family in Cambium.
FAMILIES = {
    "gpt2": dict(model_type="gpt2", vocab_size=37, n_positions=32, n_embd=32, n_head=2, n_layer=2, n_inner=40),
    "llama": dict(GROUPED, model_type="llama"),
    "mistral": dict(GROUPED, model_type="mistral"),
    "qwen2": dict(GROUPED, model_type="qwen2"),
    "qwen3": dict(GROUPED, model_type="qwen3", head_dim=16),
    "gpt_neox": dict(COMMON, model_type="gpt_neox"),
    "opt": dict(OPT, model_type="opt"),
    "opt-projected": dict(OPT, model_type="opt", do_layer_norm_before=False, word_embed_proj_dim=16),
    "stablelm": dict(COMMON, model_type="stablelm", num_key_value_heads=1, partial_rotary_factor=0.5),
    "gemma": dict(GEMMA, model_type="gemma"),
    "gemma2": dict(GEMMA, model_type="gemma2"),
    "gemma3_text": dict(GEMMA, model_type="gemma3_text", sliding_window_pattern=2),
    "olmo": dict(GROUPED, model_type="olmo"),
    "olmo2": dict(GROUPED, model_type="olmo2"),
    "phi3": dict(GROUPED, model_type="phi3", pad_token_id=0),
    "smollm3": dict(GROUPED, model_type="smollm3", pad_token_id=0),
    "phi": dict(GROUPED, model_type="phi", pad_token_id=0, partial_rotary_factor=0.5),
    "starcoder2": dict(GROUPED, model_type="starcoder2", pad_token_id=0),
    "granite": dict(GROUPED, model_type="granite", pad_token_id=0),
    "olmo3": dict(GROUPED, model_type="olmo3", pad_token_id=0),
    "cohere": dict(GROUPED, model_type="cohere", pad_token_id=0),
    "cohere2": dict(GROUPED, model_type="cohere2", pad_token_id=0),
    "glm": dict(GEMMA, model_type="glm", pad_token_id=0, partial_rotary_factor=0.5),
    "glm4": dict(GEMMA, model_type="glm4", pad_token_id=0, partial_rotary_factor=0.5),
    "nemotron": dict(GROUPED, model_type="nemotron", pad_token_id=0, partial_rotary_factor=0.5),
    "ministral": dict(GEMMA, model_type="ministral", pad_token_id=0),
    "ministral3": dict(GEMMA, model_type="ministral3", pad_token_id=0),
    "exaone4": dict(GROUPED, model_type="exaone4", pad_token_id=0),
    "arcee": dict(GROUPED, model_type="arcee", pad_token_id=0),
    "ernie4_5": dict(GEMMA, model_type="ernie4_5", pad_token_id=0),
    "seed_oss": dict(GEMMA, model_type="seed_oss", pad_token_id=0),
    "hunyuan_v1_dense": dict(GEMMA, model_type="hunyuan_v1_dense", pad_token_id=0),
    "helium": dict(GEMMA, model_type="helium", pad_token_id=0),
    "gptj": dict(model_type="gptj", vocab_size=37, n_positions=32, n_embd=32, n_head=2, n_layer=2, n_inner=40, rotary_dim=8),
    "gpt_neo": dict(
        model_type="gpt_neo",
        vocab_size=37,
        max_position_embeddings=32,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        intermediate_size=40,
        attention_types=[[["global", "local"], 1]],
    ),
    "gpt_bigcode": dict(model_type="gpt_bigcode", vocab_size=37, n_positions=32, n_embd=32, n_head=2, n_layer=2, n_inner=40),
    "bloom": dict(model_type="bloom", vocab_size=37, hidden_size=32, n_layer=2, n_head=2),
    "mpt": dict(model_type="mpt", vocab_size=37, d_model=32, n_layers=2, n_heads=2, max_seq_len=32),
    "falcon": dict(FALCON, model_type="falcon"),
    "falcon-alibi": dict(FALCON, model_type="falcon", multi_query=False, alibi=True, parallel_attn=False, bias=True),
    "mixtral": dict(GROUPED, model_type="mixtral", num_local_experts=4, num_experts_per_tok=2),
    "qwen2-moe": dict(MOE, model_type="qwen2_moe", shared_expert_intermediate_size=12),
    "olmoe": dict(GROUPED, model_type="olmoe", num_experts=4, num_experts_per_tok=2, pad_token_id=0),
    "qwen3-moe": dict(MOE, model_type="qwen3_moe", head_dim=16),
}


def read_config(config):
    """The config object, as `from_pretrained` makes it of a config.json."""
    return CONFIG_MAPPING[config["model_type"]].from_dict(json.loads(json.dumps(config)))


def build_model(config):
    return AutoModelForCausalLM.from_config(read_config(config))


def describe_error(error):
    return f"{type(error).__name__}: {error}".split("\n")[0][:120]


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


def changes_of(base, config):
    """What differs from the small config.json of the family."""
    return {
        "set": {key: value for key, value in config.items() if key not in base or base[key] != value},
        "removed": [key for key in base if key not in config],
    }


# --- classes.json


JSON_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null", list: "array"}


def json_types(annotation):
    """The JSON types that a field accepts."""
    if typing.get_origin(annotation) in (typing.Union, type(int | str)):
        return sorted({name for part in typing.get_args(annotation) for name in json_types(part)})
    origin = typing.get_origin(annotation) or annotation
    return [JSON_TYPES.get(origin, "object")]


def describe_classes(config):
    """What the config class and the model class of a family say about themselves."""
    model = build_model(config)
    common = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    types = typing.get_type_hints(type(model.config), localns={"torch": torch})
    fields = {
        field.name: {"types": json_types(types[field.name]), "default": field.default}
        for field in dataclasses.fields(type(model.config))
        if field.name not in common and field.default is not dataclasses.MISSING
    }
    ignored = set(model._keys_to_ignore_on_load_unexpected)
    # As PreTrainedModel._adjust_missing_and_unexpected_keys adds them.
    buffers = [name for name, _ in model.named_buffers()]
    if rotary_parts(model) and any(name.endswith("rotary_emb.inv_freq") for name in buffers):
        ignored.add(r"rotary_emb\.inv_freq")
    if any(name.endswith("position_ids") for name in buffers):
        ignored.add(r"(^|\.)position_ids$")
    return {
        "architecture": type(model).__name__,
        "attribute_map": dict(model.config.attribute_map),
        "base_model_prefix": model.base_model_prefix,
        "ignored_names": sorted(ignored),
        "tied_names": dict(model._tied_weights_keys),
        "fields": dict(sorted(fields.items())),
    }


# --- configs.json


def size_keys(config):
    return [key for key, value in config.items() if isinstance(value, int) and not isinstance(value, bool)]


def attribute_cases(config):
    """config.json files with the other names of `attribute_map`, with both names, and without one size."""
    attribute_map = CONFIG_MAPPING[config["model_type"]].attribute_map
    for other, own in attribute_map.items():
        if own not in config and other not in config:
            continue
        value = config.get(own, config.get(other))
        plain = without(config, own, other)
        yield {**plain, other: value}
        yield {**plain, own: value}
        yield {**plain, own: value, other: 2 * value}
    if attribute_map:
        yield {{own: other for other, own in attribute_map.items()}.get(key, key): value for key, value in config.items()}
    for key in size_keys(config):
        yield without(config, key)
        yield {**config, key: None}


def sizes_read(config):
    """The sizes, or the error of the config class or of a model with these sizes."""
    try:
        found = read_config(config)
        with torch.device("meta"):
            # The other implementations of experts need values.
            experts = {"experts_implementation": "batched_mm"} if hasattr(found, "num_experts_per_tok") else {}
            AutoModelForCausalLM.from_config(found, **experts)(torch.zeros(1, 4, dtype=torch.long))
    except Exception as error:
        return {"error": describe_error(error)}
    names = [
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"),
        *("intermediate_size", "ffn_dim", "n_inner", "max_position_embeddings", "word_embed_proj_dim"),
        *("num_experts", "moe_intermediate_size", "shared_expert_intermediate_size", "num_experts_per_tok"),
    ]
    sizes = {name: getattr(found, name) for name in names if getattr(found, name, None) is not None}
    return {"sizes": sizes}


# --- rope.json

LINEAR = {"rope_type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
PLAIN = {"rope_type": "default", "rope_theta": 500.0}
FULL, SLIDING = "full_attention", "sliding_attention"

# Keys that are added to the config.json of every family with rotary positions; None removes a key.
ROPE_CASES = {
    "nothing": {},
    "theta": {"rope_theta": 700.0},
    "whole theta": {"rope_theta": 700},
    "null theta": {"rope_theta": None},
    "text as theta": {"rope_theta": "700"},
    "old name of theta": {"rotary_emb_base": 300},
    "both names of theta": {"rotary_emb_base": 300, "rope_theta": 700.0},
    "parameters": {"rope_parameters": PLAIN},
    "parameters and theta": {"rope_parameters": PLAIN, "rope_theta": 700.0},
    "parameters without theta": {"rope_parameters": {"rope_type": "default"}, "rope_theta": 700.0},
    "empty parameters": {"rope_parameters": {}, "rope_theta": 700.0},
    "null parameters": {"rope_parameters": None, "rope_theta": 700.0},
    "linear scaling": {"rope_scaling": LINEAR},
    "linear scaling, legacy type": {"rope_scaling": {"type": "linear", "factor": 4.0}, "rope_theta": 700.0},
    "linear scaling with a theta": {"rope_scaling": {**LINEAR, "rope_theta": 900.0}, "rope_theta": 700.0},
    "linear parameters": {"rope_parameters": {**LINEAR, "rope_theta": 900.0}},
    "linear parameters, legacy type": {"rope_parameters": {"type": "linear", "factor": 4, "rope_theta": 900.0}},
    "two types": {"rope_scaling": {"type": "linear", "rope_type": "default", "factor": 4.0}},
    "two types, other way": {"rope_scaling": {"rope_type": "linear", "type": "default", "factor": 4.0}},
    "null type": {"rope_scaling": {"rope_type": None, "type": "linear", "factor": 4.0}},
    "no type": {"rope_scaling": {"factor": 4.0}},
    "unknown type": {"rope_scaling": {"type": "mrope", "factor": 4.0}},
    "scaling over parameters": {"rope_parameters": PLAIN, "rope_scaling": {"type": "linear", "factor": 4.0}},
    "scaling over parameters, with theta": {
        "rope_parameters": PLAIN,
        "rope_scaling": {"type": "linear", "factor": 4.0},
        "rope_theta": 700.0,
    },
    "default scaling over linear parameters": {
        "rope_parameters": {**LINEAR, "rope_theta": 900.0},
        "rope_scaling": {"rope_type": "default"},
    },
    "equal scaling and parameters": {
        "rope_parameters": {**LINEAR, "rope_theta": 900.0},
        "rope_scaling": {**LINEAR, "rope_theta": 900.0},
    },
    "yarn scaling over parameters": {"rope_parameters": PLAIN, "rope_scaling": YARN},
    "parameters, empty scaling": {"rope_parameters": {**LINEAR, "rope_theta": 900.0}, "rope_scaling": {}},
    "parameters, null scaling": {"rope_parameters": {**LINEAR, "rope_theta": 900.0}, "rope_scaling": None},
    "llama3": {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 16}, "rope_theta": 500.0},
    "llama3 without original length": {"rope_scaling": LLAMA3, "rope_theta": 500.0},
    "llama3, two original lengths": {
        "rope_scaling": {**LLAMA3, "original_max_position_embeddings": 32},
        "rope_theta": 500.0,
        "original_max_position_embeddings": 16,
    },
    "llama3 without low factor": {"rope_scaling": without(LLAMA3, "low_freq_factor")},
    "llama3 parameters without original length": {"rope_parameters": {**LLAMA3, "rope_theta": 500.0}},
    "linear without factor": {"rope_scaling": {"type": "linear"}},
    "linear with null factor": {"rope_scaling": {"type": "linear", "factor": None}},
    "linear with factor below one": {"rope_scaling": {"type": "linear", "factor": 0.5}},
    "factor as text": {"rope_scaling": {"type": "linear", "factor": "4"}},
    "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 4.0}},
    "scaling is a list": {"rope_scaling": [LINEAR]},
    "scaling is text": {"rope_scaling": "linear"},
    "partial factor": {"partial_rotary_factor": 0.25},
    "partial factor in parameters": {"rope_parameters": {**PLAIN, "partial_rotary_factor": 0.25}},
    "two partial factors": {
        "rope_parameters": {**PLAIN, "partial_rotary_factor": 0.25},
        "partial_rotary_factor": 1.0,
        "rotary_pct": 1.0,
    },
    "partial factor, linear scaling": {"partial_rotary_factor": 0.25, "rope_scaling": LINEAR},
    "partial factor in linear scaling": {"rope_scaling": {**LINEAR, "partial_rotary_factor": 0.25}},
    "null partial factor": {"partial_rotary_factor": None},
    "old name of partial factor": {"rotary_pct": 0.25},
    "both names of partial factor": {"rotary_pct": 0.25, "partial_rotary_factor": 1.0},
    "old names and linear scaling": {"rotary_pct": 0.25, "rotary_emb_base": 300, "rope_scaling": LINEAR},
    "parameters by layer type": {
        "rope_parameters": {FULL: {**LINEAR, "rope_theta": 900.0}, SLIDING: PLAIN},
    },
    "parameters of one layer type": {"rope_parameters": {FULL: {**LINEAR, "rope_theta": 900.0}}},
    "parameters by layer type, with null": {"rope_parameters": {FULL: {**LINEAR, "rope_theta": 900.0}, SLIDING: None}},
    "parameters by layer type, old type name": {
        "rope_parameters": {FULL: {"type": "linear", "factor": 4.0}, SLIDING: {"rope_theta": 20.0}},
        "rope_theta": 700.0,
        "rope_local_base_freq": 30.0,
    },
    "parameters by layer type, llama3": {
        "rope_parameters": {FULL: {**LLAMA3, "rope_theta": 900.0}, SLIDING: PLAIN},
    },
    "linear for sliding layers": {"rope_parameters": {FULL: PLAIN, SLIDING: {**LINEAR, "rope_theta": 20.0}}},
    "parameters by layer type and scaling": {
        "rope_parameters": {FULL: {**PLAIN}, SLIDING: {**PLAIN}},
        "rope_scaling": {"rope_type": "linear", "factor": 4.0},
        "rope_theta": 700.0,
    },
    "parameters by layer type and listed layers": {
        "rope_parameters": {FULL: {**LINEAR, "rope_theta": 900.0}},
        "layer_types": [FULL, FULL],
    },
    "theta of sliding layers": {"rope_theta": 700.0, "rope_local_base_freq": 30.0},
    "theta of sliding layers, linear scaling": {"rope_theta": 700.0, "rope_local_base_freq": 30.0, "rope_scaling": LINEAR},
}


def rotary_parts(model):
    """The module that holds the frequencies; None for families without rotary positions."""
    # The class of Falcon makes one for models with ALiBi too, and does not use it.
    if getattr(model.config, "alibi", False):
        return None
    rotary = (module for name, module in model.named_modules() if name.endswith("rotary_emb"))
    return next((module for module in rotary if hasattr(module, "rope_type")), None)


def rope_read(config):
    """The frequencies by layer type ("all" for one set), or the error of transformers."""
    try:
        model = build_model(config)
        rotary = rotary_parts(model)
        # Some files only fail when the rotated width does not fit the heads.
        model(torch.arange(6).view(1, 6))
    except Exception as error:
        return {"error": describe_error(error)}
    types = rotary.rope_type if isinstance(rotary.rope_type, dict) else {"all": rotary.rope_type}
    frequencies = {}
    for layer_type in types:
        prefix = "" if layer_type == "all" else f"{layer_type}_"
        scaling = getattr(rotary, f"{prefix}attention_scaling")
        assert scaling == 1.0 or types[layer_type] in ("yarn", "longrope"), scaling
        frequencies[layer_type] = [float(f"{v:.8g}") for v in getattr(rotary, f"{prefix}inv_freq").double().tolist()]
    return {"types": types, "frequencies": frequencies}


def rope_cases(config):
    for name, changes in ROPE_CASES.items():
        # The small config of StableLM sets a factor itself; cases about factors replace it.
        base = without(config, "partial_rotary_factor")
        changed = {**base, **changes}
        yield {"case": name, **changes_of(config, changed), **rope_read(changed)}


# --- names.json


def name_variants(name, prefix, model_type):
    """Names under which a weight may be stored: as it is, with one prefix less or more, in the spelling of old files."""
    bare = name.removeprefix(f"{prefix}.")
    variants = [name, bare, f"{prefix}.{name}"]
    if prefix == "model":
        variants.append(bare.removeprefix("decoder."))
    if model_type == "mixtral":
        variants += [variant.replace(".mlp.", ".block_sparse_moe.") for variant in variants]
    if model_type == "gpt_neox":
        variants += [variant.replace("lm_head.", "embed_out.") for variant in variants]
    return list(dict.fromkeys(variants))


def loaded_names(config):
    """Pairs of a stored name and the weight that it is loaded into, or None. One layer and one expert."""
    model = build_model({**config, **{key: 1 for key in ("num_hidden_layers", "n_layer") if key in config}})
    names = list(model.state_dict())
    mapping = get_model_conversion_mapping(model)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    meta = model.state_dict()
    stored = [name for name in names if "experts." not in name]
    pairs = []
    for name in stored:
        for variant in name_variants(name, model.base_model_prefix, model.config.model_type):
            target, _ = rename_source_key(variant, renamings, converters, model.base_model_prefix, meta)
            pairs.append([variant, target if target in meta else None])
    return {"names": names, "loaded": pairs}


def write(name, chosen, describe):
    """One line for each entry of a family's list or object."""
    def lines(value):
        if isinstance(value, dict):
            return [f"{json.dumps(key)}: {json.dumps(entry, allow_nan=False)}" for key, entry in value.items()]
        return [json.dumps(entry, allow_nan=False) for entry in value]

    def block(value):
        first, last = "{}" if isinstance(value, dict) else "[]"
        return f"{first}\n   " + ",\n   ".join(lines(value)) + f"\n  {last}"

    path = FOLDER / name
    known = json.loads(path.read_text())["families"] if path.exists() else {}
    described = {family: describe(FAMILIES[family]) if family in chosen else known.get(family) for family in FAMILIES}
    families = {family: value for family, value in described.items() if value is not None}
    parts = [f"  {json.dumps(family)}: {block(value)}" for family, value in families.items()]
    text = f'{{\n "versions": {json.dumps(VERSIONS)},\n "families": {{\n' + ",\n".join(parts) + "\n }\n}\n"
    FOLDER.mkdir(exist_ok=True)
    path.write_text(text)
    print(f"{name}: {len(text) / 1e3:.0f} kB")


def describe_configs(config):
    cases = [config, *attribute_cases(config)]
    return {"base": config, "cases": [{**changes_of(config, case), **sizes_read(case)} for case in cases]}


def describe_rope(config):
    """None for families without rotary positions."""
    return {"base": config, "cases": list(rope_cases(config))} if rotary_parts(build_model(config)) else None


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(FAMILIES)
    write("classes.json", chosen, describe_classes)
    write("rope.json", chosen, describe_rope)
    write("names.json", chosen, loaded_names)
    write("configs.json", chosen, describe_configs)
