"""Divides the layers by the plan that transformers gives for a model (`base_model_tp_plan`)."""

from __future__ import annotations

import re

from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from transformers import PreTrainedModel

from .job import TrainerError

# Other styles of transformers' plans, such as those of experts and of fused weights, have no counterpart in PyTorch.
STYLES: dict[str, type[ParallelStyle]] = {"colwise": ColwiseParallel, "rowwise": RowwiseParallel}


def divide_layers(model: PreTrainedModel, mesh: DeviceMesh) -> None:
    """Raises TrainerError if transformers has no plan for the model, or one that cannot be followed."""
    config = model.config
    plan = getattr(config, "base_model_tp_plan", None)
    if not plan:
        raise TrainerError("torch/no-tensor-plan", {"model": config.model_type, "why": "transformers has none"})
    others = sorted(set(plan.values()) - set(STYLES))
    if others:
        why = f"transformers' plan has the styles {', '.join(others)}"
        raise TrainerError("torch/no-tensor-plan", {"model": config.model_type, "why": why})
    for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size"):
        size = getattr(config, name, None)
        if size is not None and size % mesh.size() != 0:
            why = f"{name} is {size}, which is no multiple of {mesh.size()}"
            raise TrainerError("torch/no-tensor-plan", {"model": config.model_type, "why": why})
    base = model.base_model
    patterns = [(re.compile(re.escape(key).replace(r"\*", r"\d+") + "$"), style) for key, style in plan.items()]
    styles = {
        name: STYLES[style]()
        for name, _ in base.named_modules()
        for pattern, style in patterns
        if pattern.match(name)
    }
    parallelize_module(base, mesh, styles)
