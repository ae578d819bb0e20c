"""Writes tests/fixtures/transformers/generation.json: generation configs, and the keys that must be removed from each
before transformers saves it.

Run with any Python that has torch and transformers:
    python tests/parity/make-generation-golden.py
"""
import json
import re

import transformers
from transformers import GenerationConfig

from fixtures import FIXTURES, VERSIONS

transformers.utils.logging.set_verbosity_error()

CASES = [
    {},
    {"do_sample": False, "temperature": 0.6},
    {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50},
    {"temperature": 0.6, "top_p": 0.9},
    {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.1},
    {"do_sample": None, "top_k": 20},
    {"do_sample": False, "min_p": 0.0, "typical_p": 0.9, "epsilon_cutoff": 1e-3, "eta_cutoff": 1e-3, "top_h": 0.4},
    {"do_sample": False, "epsilon_cutoff": 0.0, "eta_cutoff": 0, "typical_p": 1},
    {"do_sample": False, "temperature": None, "top_p": None},
    {"num_beams": 1, "early_stopping": True, "length_penalty": 2.0},
    {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0},
    {"early_stopping": "never"},
    {"num_beams": 4, "early_stopping": "sometimes"},
    {"early_stopping": False, "length_penalty": 1},
    {"max_new_tokens": 0},
    {"max_new_tokens": -5},
    {"max_new_tokens": 16},
    {"pad_token_id": -1},
    {"pad_token_id": 0, "eos_token_id": [1, 2]},
    {"cache_implementation": "magic"},
    {"cache_implementation": "hybrid"},
    {"cache_implementation": "static", "use_cache": False},
    {"use_cache": False, "cache_config": {"backend": "quanto"}},
    {"num_return_sequences": 3},
    {"num_return_sequences": 3, "do_sample": True},
    {"num_return_sequences": 3, "num_beams": 2},
    {"num_return_sequences": 2, "num_beams": 2},
    {"output_scores": True, "output_attentions": True},
    {"output_scores": True, "return_dict_in_generate": True},
    {"suppress_tokens": [1, 2], "forced_bos_token_id": 1},
    {"suppress_tokens": [1, 2], "forced_eos_token_id": [1, 3]},
    {"suppress_tokens": [1, 2], "forced_eos_token_id": [1, 2]},
    {"assistant_ensemble_weight": 1.5},
    {"assistant_ensemble_weight": 0.5},
    {"streamer": 1, "temperature": 0.3},
    {"do_sample": False, "temperature": 0.6, "num_beams": 1, "length_penalty": 0.5, "output_logits": True},
]


def find_error(config):
    """The message with which `save_pretrained` refuses a config that was changed, or None."""
    try:
        GenerationConfig.from_dict(dict(config)).validate(strict=True)
    except ValueError as error:
        return str(error)
    return None


def bad_keys(config):
    """The keys that transformers names, one message after another."""
    rest, removed = dict(config), []
    while (message := find_error(rest)) is not None:
        named = re.findall(r"^- `(\w+)`", message, re.M)
        named = named or [key for key in re.findall(r"`(\w+)`", message) if key in rest][:1]
        named = named or re.findall(r"Argument `(\w+)`", message)
        assert named, message
        removed += named
        rest = {key: value for key, value in rest.items() if key not in named}
    return sorted(set(removed))


if __name__ == "__main__":
    cases = [{"config": config, "removed": bad_keys(config)} for config in CASES]
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    path = FIXTURES / "transformers" / "generation.json"
    path.write_text(f'{{\n "versions": {json.dumps(VERSIONS)},\n "cases": [\n  {lines}\n ]\n}}\n')
