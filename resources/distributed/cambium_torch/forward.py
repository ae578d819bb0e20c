"""Losses of batches: the forward and backward pass of a step, divided over the processes, and held-out losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Sequence, cast

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel

from .batches import BatchOrder, Tokens, window_starts
from .model import attention_masks, sequence_divergences, sequence_losses
from .world import World


@dataclass(frozen=True)
class Batch:
    """Rows of tokens [rows, seq + 1] with their documents. A row of weight 0 only fills the shape."""

    tokens: Tensor
    documents: Tensor | None
    weights: Tensor


class BatchReader:
    """Reads windows of tokens onto the device."""

    def __init__(self, tokens: Tokens, settings: Mapping[str, Any], world: World) -> None:
        self._tokens = tokens
        self._length = settings["contextLength"]
        self._has_mask = settings["documentMask"] == "on"
        self._rows = settings["microBatch"]
        self._world = world

    def batches(self, starts: Sequence[int]) -> list[Batch]:
        """
        This process's share of the windows, in micro-batches. All processes get the same number of equal shapes,
        because each forward pass is one of all together.
        """
        world = self._world
        most = math.ceil(len(starts) / world.data_size)
        own = starts[world.data_rank :: world.data_size]
        rows = min(self._rows, most)
        count = math.ceil(most / rows)
        padded = [*own, *([starts[0]] * (count * rows - len(own)))]
        return [self._batch(padded[i * rows : (i + 1) * rows], len(own) - i * rows) for i in range(count)]

    def _batch(self, starts: Sequence[int], real: int) -> Batch:
        device, length = self._world.device, self._length
        tokens = torch.stack([torch.from_numpy(self._tokens.read(start, length + 1)) for start in starts])
        documents = None
        if self._has_mask:
            documents = torch.stack([torch.from_numpy(self._tokens.documents(start, length)) for start in starts])
            documents = documents.to(device)
        weights = torch.tensor([1.0 if i < real else 0.0 for i in range(len(starts))], device=device)
        return Batch(tokens.to(device), documents, weights)


@dataclass(frozen=True)
class Losses:
    """This process's part of the mean losses of a step."""

    loss: float
    kl: float


class Forward:
    """The passes of a model, and of the frozen source model with distillation."""

    def __init__(
        self, model: PreTrainedModel, teacher: PreTrainedModel | None, settings: Mapping[str, Any], world: World
    ) -> None:
        self.model = model
        self._teacher = teacher
        self._settings = settings
        self._world = world

    def logits(self, model: PreTrainedModel, batch: Batch) -> Tensor:
        inputs = batch.tokens[:, :-1]
        masks = attention_masks(model, inputs, batch.documents)
        logits: Tensor = model(input_ids=inputs, attention_mask=masks, use_cache=False).logits
        return logits

    def backward(self, batches: Sequence[Batch], sequences: int, distill: float) -> Losses:
        """Adds the gradients of the mean loss over `sequences` of all processes."""
        total = torch.zeros(2, dtype=torch.float64, device=self._world.device)
        for batch in batches:
            losses = sequence_losses(logits := self.logits(self.model, batch), batch.tokens[:, 1:])
            objective = losses
            if self._teacher is not None:
                with torch.no_grad():
                    source = self.logits(self._teacher, batch)
                divergences = sequence_divergences(logits, source, self._settings["distillTemperature"])
                objective = losses * (1 - distill) + divergences * distill
                total[1] += (divergences.detach() * batch.weights).sum() / sequences
            # fully_shard divides the sum of the gradients by the number of processes.
            scale = self._world.data_size / sequences
            ((objective * batch.weights).sum() * scale).backward()
            total[0] += (losses.detach() * batch.weights).sum() / sequences
        loss, kl = total.tolist()
        return Losses(loss, kl)

    @torch.no_grad()
    def held_out_loss(self, reader: BatchReader, starts: Sequence[int]) -> float:
        """The mean loss over all windows, on every process."""
        total = 0.0
        for batch in reader.batches(starts):
            losses = sequence_losses(self.logits(self.model, batch), batch.tokens[:, 1:])
            total += (losses * batch.weights).sum().item()
        # A root that is not followed by a backward pass keeps its gathered weights, and would use them again after
        # others were loaded, such as an average.
        cast(FSDPModule, self.model).reshard()
        # Processes that divide the same layers have the same losses.
        return self._world.sum([total])[0] / (len(starts) * self._world.size / self._world.data_size)


def update_starts(cursor: int, settings: Mapping[str, Any], order: BatchOrder) -> list[int]:
    """First tokens of all windows of update number `cursor`, in the order of Cambium's micro-batches."""
    first = cursor * settings["gradAccum"]
    return [start for i in range(settings["gradAccum"]) for start in window_starts(first + i, order)]
