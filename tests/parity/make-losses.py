"""Writes tests/fixtures/losses: 20 training steps of two golden checkpoints in PyTorch, for every optimizer.

Run with any Python that has torch, transformers and safetensors:
    python tests/parity/make-losses.py
The same versions on the same kind of processor write the same bytes; `versions` in each file names them.

Each curve has NAME.txt (a line `step loss` per step), NAME.json (its options) and NAME.safetensors (some of the
weights after the last step). CHECKPOINT-adamw.tokens.txt and CHECKPOINT-others.tokens.txt hold the token ids.
"""
import json
import math
import re
from dataclasses import dataclass
from typing import Callable

import safetensors.torch
import torch
from transformers import AutoModelForCausalLM

from fixtures import FIXTURES, VERSIONS, VOCAB, random_tokens, to_floats, use_deterministic_algorithms
from golden_cases import CASES

FOLDER = FIXTURES / "losses"
CHECKPOINTS = ["gpt2-tied", "llama-tied-gqa"]
STEPS, MICRO_BATCH, CONTEXT_LENGTH = 20, 2, 16
LR, BETA1, BETA2, EPS, WEIGHT_DECAY = 1e-3, 0.9, 0.95, 1e-8, 0.1
MOMENTUM = {"adamw": 0.0, "muon": 0.95, "sgd": 0.9}


def constant(step):
    return LR


def steep(step):
    return 50 * LR


def cosine(step, warmup=5, min_lr_ratio=0.1):
    """Linear warm-up, then half a cosine down to `min_lr_ratio` of the peak at the last step."""
    if step <= warmup:
        return LR * step / warmup
    progress = (step - warmup) / (STEPS - warmup)
    return LR * (min_lr_ratio + (1 - min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))


def is_layer_matrix(name, weight):
    return re.search(r"\.\d+\.", name) is not None and weight.ndim >= 2


def default_scale(name, weight):
    return 1.0


def half_for_matrices(name, weight):
    """As a growth plan asks for: half the learning rate for matrices in layers."""
    return 0.5 if is_layer_matrix(name, weight) else 1.0


@dataclass(frozen=True)
class Curve:
    lr: Callable
    optimizer: str = "adamw"
    grad_accum_steps: int = 1
    max_grad_norm: float = 1.0
    # Multiplies the learning rate of a weight and divides its weight decay.
    lr_scale: Callable = default_scale


# A maximum gradient norm of 6 clips only some of the steps.
ADAMW_CURVES = {
    "constant": Curve(constant),
    "cosine": Curve(cosine),
    "accumulate": Curve(constant, grad_accum_steps=2, max_grad_norm=6.0),
    "rates": Curve(cosine, lr_scale=half_for_matrices),
}
OTHER_CURVES = {
    "muon": Curve(cosine, "muon"),
    "muon-accumulate": Curve(constant, "muon", grad_accum_steps=2, max_grad_norm=6.0),
    "sgd": Curve(steep, "sgd"),
}


def create_optimizers(curve, weights):
    """The optimizers of a curve. The learning rate of each parameter group is multiplied by its `lr_scale`."""
    def groups(names):
        by_options = {}
        for name in names:
            scale = curve.lr_scale(name, weights[name])
            decay = WEIGHT_DECAY / scale if weights[name].ndim >= 2 else 0.0
            by_options.setdefault((scale, decay), []).append(weights[name])
        return [
            {"params": params, "lr_scale": scale, "weight_decay": decay}
            for (scale, decay), params in sorted(by_options.items(), key=lambda item: item[0])
        ]

    momentum = MOMENTUM[curve.optimizer]
    if curve.optimizer == "sgd":
        return [torch.optim.SGD(groups(weights), lr=1.0, momentum=momentum, foreach=False)]

    def uses_muon(name):
        return curve.optimizer == "muon" and is_layer_matrix(name, weights[name])

    adamw_groups = groups(name for name in weights if not uses_muon(name))
    optimizers = [torch.optim.AdamW(adamw_groups, lr=1.0, betas=(BETA1, BETA2), eps=EPS, foreach=False)]
    if curve.optimizer == "muon":
        muon_groups = groups(name for name in weights if uses_muon(name))
        optimizers.append(
            torch.optim.Muon(
                muon_groups, lr=1.0, momentum=momentum, nesterov=True, adjust_lr_fn="match_rms_adamw"
            )
        )
    return optimizers


def train(checkpoint, curve, batches, dtype=torch.float32):
    """Losses and gradient norms of all steps, and the weights after the last one."""
    folder = FIXTURES / "golden" / checkpoint
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=CASES[checkpoint].attention).train()
    weights = {name.removeprefix("transformer."): weight for name, weight in model.named_parameters()}
    optimizers = create_optimizers(curve, weights)
    losses, grad_norms = [], []
    for step in range(1, STEPS + 1):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = curve.lr(step) * group["lr_scale"]
        total = 0.0
        for micro_step in range(curve.grad_accum_steps):
            rows = batches[(step - 1) * curve.grad_accum_steps + micro_step]
            logits = model(rows[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), rows[:, 1:].reshape(-1))
            loss = loss / curve.grad_accum_steps
            loss.backward()
            total += loss.item()
        grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), curve.max_grad_norm, foreach=False)
        losses.append(float(f"{total:.9g}"))
        grad_norms.append(to_floats(grad_norm)[0])
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return losses, grad_norms, weights


KEPT_WEIGHTS = re.compile(r"^ln_f|^model\.norm|\.0\.(mlp\.c_proj|self_attn\.k_proj)\.weight")


def write_curve(checkpoint, name, curve, batches, tokens_file):
    losses, grad_norms, weights = train(checkpoint, curve, batches)
    scales = {weight_name: curve.lr_scale(weight_name, weight) for weight_name, weight in weights.items()}
    options = {
        "versions": VERSIONS,
        "checkpoint": checkpoint,
        "tokens": tokens_file,
        "optimizer": {
            "name": curve.optimizer,
            "beta1": BETA1,
            "beta2": BETA2,
            "eps": EPS,
            "weightDecay": WEIGHT_DECAY,
            "momentum": MOMENTUM[curve.optimizer],
        },
        "gradAccumSteps": curve.grad_accum_steps,
        "maxGradNorm": curve.max_grad_norm,
        "rates": {weight_name: scale for weight_name, scale in scales.items() if scale != 1.0},
        "lr": [curve.lr(step) for step in range(1, STEPS + 1)],
        "gradNorm": grad_norms,
    }
    path = FOLDER / f"{checkpoint}-{name}"
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in options.items()]
    path.with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    path.with_suffix(".txt").write_text("".join(f"{i + 1} {loss}\n" for i, loss in enumerate(losses)))
    kept = {key: weight.detach().contiguous() for key, weight in weights.items() if KEPT_WEIGHTS.search(key)}
    safetensors.torch.save_file(kept, path.with_suffix(".safetensors"))
    report(checkpoint, name, curve, batches, losses, grad_norms)


def report(checkpoint, name, curve, batches, losses, grad_norms):
    """Prints how far the losses are from those in float64."""
    exact, _, _ = train(checkpoint, curve, batches, dtype=torch.float64)
    error = max(abs(a / b - 1) for a, b in zip(losses, exact))
    print(
        f"{error:.1e} from float64  {checkpoint:16} {name:16} loss {losses[0]:.4f} -> {losses[-1]:.4f}, "
        f"gradient norm {min(grad_norms):.2f} to {max(grad_norms):.2f}"
    )


def write_tokens(path, batches):
    """One row per line, a blank line between micro-batches."""
    texts = ["\n".join(" ".join(map(str, row)) for row in batch) for batch in batches.tolist()]
    path.write_text("\n\n".join(texts) + "\n")


def write_curves(curves, tokens, seed):
    for i, checkpoint in enumerate(CHECKPOINTS):
        batches = random_tokens(seed + i, STEPS * 2, MICRO_BATCH, CONTEXT_LENGTH + 1)
        tokens_file = f"{checkpoint}-{tokens}.tokens.txt"
        write_tokens(FOLDER / tokens_file, batches)
        for name, curve in curves.items():
            write_curve(checkpoint, name, curve, batches, tokens_file)


if __name__ == "__main__":
    use_deterministic_algorithms()
    write_curves(ADAMW_CURVES, "adamw", seed=200)
    # PyTorch's Muon orthogonalizes in bfloat16 and Cambium in float32: leave out that cast here.
    torch.Tensor.bfloat16 = lambda self: self
    write_curves(OTHER_CURVES, "others", seed=300)
