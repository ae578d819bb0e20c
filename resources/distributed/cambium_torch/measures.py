"""What a run measures between steps: held-out losses, the distance between copies, and a sample."""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, Sequence, cast

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import AutoTokenizer, PreTrainedModel

from .job import Copies, Job
from .model import local
from .optimizer import Optimizer, gather
from .world import World

SAMPLE_TOKENS = 64
SAMPLE_TEMPERATURE = 0.8


@torch.no_grad()
def with_average(optimizer: Optimizer, measure: Callable[[], float]) -> float:
    """What `measure` returns with the moving average in place of the weights."""
    own = {name: local(parameter.data).clone() for name, parameter in optimizer.parameters.items()}
    for name, average in optimizer.moments["ema"].items():
        local(optimizer.parameters[name].data).copy_(local(average))
    try:
        return measure()
    finally:
        for name, values in own.items():
            local(optimizer.parameters[name].data).copy_(values)


@torch.no_grad()
def asymmetry(copies: Sequence[Copies], parameters: Mapping[str, Tensor]) -> float:
    """The largest rms(copy - first copy) / rms(weight) over all weights that began as copies."""
    return max(_relative_distance(one, parameters[one.name]) for one in copies)


def _relative_distance(copied: Copies, parameter: Tensor) -> float:
    matrix = gather(parameter.data).reshape(copied.rows, copied.columns)
    firsts = matrix
    if copied.first_row is not None:
        firsts = firsts[torch.tensor(copied.first_row, device=matrix.device)]
    if copied.first_column is not None:
        firsts = firsts[:, torch.tensor(copied.first_column, device=matrix.device)]
    squares = (matrix - firsts).square().sum().item() * (copied.rows * copied.columns) / copied.further
    return math.sqrt(squares / max(matrix.square().sum().item(), 1e-30))


class Sampler:
    """Continues the prompt of the run. All processes compute together; the first one chooses the tokens."""

    def __init__(self, job: Job, world: World) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(job.model)
        self._settings: Mapping[str, Any] = job.settings
        self._world = world

    @torch.no_grad()
    def sample(self, model: PreTrainedModel) -> str:
        prompt = self._settings["prompt"]
        tokenizer = self._tokenizer
        context = tokenizer.encode(prompt, add_special_tokens=False) if prompt else []
        if not context:
            start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
            context = [start or 0]
        generator = torch.Generator().manual_seed(self._settings["seed"] % 2**63)
        most = getattr(model.config, "max_position_embeddings", None) or math.inf
        tokens = list(context)
        while len(tokens) - len(context) < SAMPLE_TOKENS and len(tokens) < most:
            inputs = torch.tensor([tokens], device=self._world.device)
            logits = model(input_ids=inputs, use_cache=False).logits[0, -1].float().cpu()
            chosen = torch.multinomial(torch.softmax(logits / SAMPLE_TEMPERATURE, dim=0), 1, generator=generator)
            token = self._world.from_first(int(chosen))
            if token == tokenizer.eos_token_id:
                break
            tokens.append(token)
        cast(FSDPModule, model).reshard()
        whole = str(tokenizer.decode(tokens, skip_special_tokens=True))
        before = str(tokenizer.decode(context, skip_special_tokens=True))
        return whole[len(before) :]
