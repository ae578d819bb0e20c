"""Writes tests/fixtures/family-losses.json: the losses of 20 training steps of golden checkpoints in PyTorch, for at
least one of every family without experts.

Run with any Python that has torch, transformers and safetensors:
    python tests/parity/make-family-losses.py [CASE...]
With cases, only their curves are written again.
"""
import importlib
import json
import re
import sys

import torch

from fixtures import FIXTURES, VERSIONS, random_tokens, use_deterministic_algorithms
from golden_cases import CASES

losses = importlib.import_module("make-losses")


def is_trained(case):
    """Mixtures are left out: their training adds a load-balancing loss."""
    is_mixture = re.search(r"(?i)moe|mixtral", case.model_class.__name__) is not None
    return case.dtype == torch.float32 and not case.without_prefix and not is_mixture


def train_plainly():
    """Cambium has no dropout, and trains the row of the padding token as every other."""
    functional = torch.nn.functional
    functional.dropout = lambda x, *options, **more: x
    torch.nn.Embedding.forward = lambda self, ids: functional.embedding(ids, self.weight)


if __name__ == "__main__":
    use_deterministic_algorithms()
    train_plainly()
    batches = random_tokens(400, losses.STEPS, losses.MICRO_BATCH, losses.CONTEXT_LENGTH + 1)
    by_class = {case.model_class: name for name, case in reversed(CASES.items()) if is_trained(case)}
    names = sorted({*by_class.values(), "falcon-alibi", "opt-projected"})
    path = FIXTURES / "family-losses.json"
    chosen = sys.argv[1:] or names
    known = json.loads(path.read_text())["losses"] if path.exists() else {}
    curves = {
        name: losses.train(name, losses.Curve(losses.constant), batches)[0] if name in chosen else known[name]
        for name in names
    }
    content = {
        "versions": VERSIONS,
        "optimizer": {
            "lr": losses.LR,
            "beta1": losses.BETA1,
            "beta2": losses.BETA2,
            "eps": losses.EPS,
            "weightDecay": losses.WEIGHT_DECAY,
            "gradClip": 1.0,
        },
        "tokens": batches.tolist(),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(curve)}" for name, curve in curves.items()]
    text = json.dumps(content)[:-1] + ',\n "losses": {\n' + ",\n".join(lines) + "\n }\n}\n"
    path.write_text(text)
    for name, curve in curves.items():
        print(f"{name:24} {curve[0]:.4f} -> {curve[-1]:.4f}")
