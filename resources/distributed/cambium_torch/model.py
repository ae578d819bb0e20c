"""The model: built without memory, divided over the processes, and filled from files by every process's own part."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import torch
import torch.distributed.checkpoint as dcp
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageReader
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask

from .job import Job, TrainerError, Weight
from .numbers import derive_key, normals
from .tensor_parallel import divide_layers
from .world import World


def local(tensor: Tensor) -> Tensor:
    """The part of a divided tensor that this process holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def build_model(folder: Path, job: Job, world: World, precision: str) -> PreTrainedModel:
    """
    The model of a folder, divided over the processes, in float32 and not yet filled. Dropout is off, as in Cambium's
    own engine. With bfloat16, products are computed in it; weights, gradients and moments stay float32.
    """
    config = AutoConfig.from_pretrained(folder)
    config.use_cache = False
    # transformers gives the embedding of the padding token no gradient. Nothing is padded here, and the token may be
    # that of the end of a text.
    config.pad_token_id = None
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.eval()
    layers = layers_of(model)
    if world.tensor_mesh is not None:
        divide_layers(model, world.tensor_mesh)
    if job.activation_checkpointing == "full":
        for layer in layers:
            recompute_in_backward(layer)
    if job.compile:
        for layer in layers:
            layer.compile()
    policy = MixedPrecisionPolicy()
    if precision == "bfloat16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for layer in layers:
        fully_shard(layer, mesh=world.data_mesh, mp_policy=policy)
    fully_shard(model, mesh=world.data_mesh, mp_policy=policy)
    model.to_empty(device=world.device)
    model.tie_weights()
    fill_buffers(model)
    return model


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    """The decoder layers, as transformers names their classes."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]


def recompute_in_backward(layer: nn.Module) -> None:
    forward = layer.forward

    def recomputed(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    layer.forward = recomputed


@torch.no_grad()
def fill_buffers(model: PreTrainedModel) -> None:
    """Computes the buffers that no file holds, such as rotary frequencies."""
    for parameter in model.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]  # transformers then leaves it alone
    for module in model.modules():
        if next(module.buffers(recurse=False), None) is not None:
            model._init_weights(module)


def parameters_of(model: PreTrainedModel, weights: Sequence[Weight]) -> dict[str, nn.Parameter]:
    """The parameters by the names of `weights`. Raises TrainerError if they are not the same weights."""
    parameters = dict(model.named_parameters())
    expected = {weight.parameter for weight in weights}
    # transformers has renamed the output layer of some models, whose files keep the former name.
    missing, others = expected - set(parameters), set(parameters) - expected
    head = getattr(model.get_output_embeddings(), "weight", None)
    if len(missing) == len(others) == 1 and parameters[min(others)] is head:
        parameters[min(missing)] = parameters.pop(min(others))
    if expected != set(parameters):
        differing = sorted(expected - set(parameters)) + sorted(set(parameters) - expected)
        raise TrainerError("torch/unsupported", {"what": f"a model whose weights differ: {', '.join(differing[:3])}"})
    return {weight.name: parameters[weight.parameter] for weight in weights}


def read_files(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fills tensors from the safetensors files of a folder; every process reads only its parts."""
    dcp.load(dict(tensors), storage_reader=HuggingFaceStorageReader(str(folder)))


@torch.no_grad()
def load_initial(job: Job, parameters: Mapping[str, nn.Parameter]) -> None:
    """The weights of the checkpoint that the run began with, or random ones."""
    if job.settings["init"] != "random":
        load_weights(job.model, job.weights, parameters)
        return
    for weight in job.weights:
        fill_random(parameters[weight.name], weight, job.settings["seed"])


@torch.no_grad()
def load_weights(folder: Path, weights: Sequence[Weight], parameters: Mapping[str, nn.Parameter]) -> None:
    """The weights of a checkpoint, converted to what they are in float32."""
    read_files(folder, {weight.source: parameters[weight.name].data for weight in weights})
    for weight in weights:
        if weight.factor != 1:
            values = local(parameters[weight.name].data)
            values.add_(weight.offset).mul_(weight.factor).sub_(weight.offset)


def fill_random(parameter: nn.Parameter, weight: Weight, seed: int) -> None:
    """The random values of Cambium's engine; every process computes only its own."""
    values = local(parameter.data)
    if weight.random_std is None:
        values.fill_(weight.random_fill)
        return
    key = derive_key(seed, "start", weight.name)
    for index, run in own_runs(parameter.data):
        run.copy_(torch.from_numpy(weight.random_std * normals(key, index, run.numel())).to(run.dtype))


def own_runs(parameter: Tensor) -> list[tuple[int, Tensor]]:
    """The consecutive entries that this process holds: the index of the first in the whole tensor, and the entries."""
    values = local(parameter)
    if values.numel() == 0:
        return []
    if not isinstance(parameter, DTensor):
        return [(0, values.view(-1))]
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    _, offsets = compute_local_shape_and_global_offset(parameter.shape, parameter.device_mesh, parameter.placements)
    strides = [math.prod(parameter.shape[i + 1 :]) for i in range(parameter.ndim)]
    base = sum(offset * stride for offset, stride in zip(offsets, strides))
    if values.shape[1:] == parameter.shape[1:]:
        return [(base, values.view(-1))]
    return [(base + i * strides[0], row.reshape(-1)) for i, row in enumerate(values)]


Masks = Tensor | dict[str, Tensor] | None


def attention_masks(model: PreTrainedModel, tokens: Tensor, documents: Tensor | None) -> Masks:
    """Masks that keep tokens [batch, seq] from attending to other documents; None if documents are not masked."""
    if documents is None:
        return None
    config = model.config

    def is_same_document(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return documents[batch, query] == documents[batch, key]

    embeddings = torch.empty(*tokens.shape, 1, device=tokens.device, dtype=model.dtype)
    arguments = {
        "config": config,
        "inputs_embeds": embeddings,
        "attention_mask": None,
        "cache": None,
        "position_ids": None,
        "and_mask_function": is_same_document,
    }
    makers: dict[str, Callable[..., Tensor]] = {
        "full_attention": create_causal_mask,
        "sliding_attention": create_sliding_window_causal_mask,
    }
    kinds = set(getattr(config, "layer_types", None) or ())
    if kinds:
        return {kind: makers[kind](**arguments) for kind in kinds}
    window = getattr(config, "sliding_window", None)
    return makers["full_attention" if window is None else "sliding_attention"](**arguments)


def sequence_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean loss in nats per token of each sequence [batch], from logits [batch, seq, vocab]."""
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape).mean(dim=1)


def sequence_divergences(logits: Tensor, source: Tensor, temperature: float) -> Tensor:
    """T² · KL(source ‖ model) in nats of each sequence [batch], on the tokens that both know."""
    shared = logits[..., : source.shape[-1]].float() / temperature
    teacher = F.log_softmax(source.float() / temperature, dim=-1)
    per_token = (teacher.exp() * (teacher - F.log_softmax(shared, dim=-1))).sum(dim=-1)
    return per_token.mean(dim=1) * temperature * temperature
