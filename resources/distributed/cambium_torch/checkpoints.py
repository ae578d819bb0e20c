"""
Checkpoints of a run. A sharded one is written by all processes in the background and read by any number of them; a
consolidated one is a Hugging Face folder with the moments beside it, as Cambium's own engine writes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, cast

import torch
import torch.distributed.checkpoint as dcp
from safetensors import safe_open
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader

from .job import Job, TrainerError, write_json
from .model import local
from .optimizer import Optimizer, gather
from .world import World

STEP_NAME = re.compile(r"^step-(\d{6,})$")
STEP_FILE = "step.json"
MOST_SHARD_BYTES = 5_000_000_000
# Names of the moments in files of format version 1.
FORMER_NAMES = {"exp_avg": "mean", "exp_avg_sq": "square", "momentum_buffer": "momentum"}


def saved_steps(folder: Path) -> list[tuple[int, Path]]:
    """The complete checkpoints of a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [(STEP_NAME.match(path.name), path) for path in folder.iterdir()]
    return sorted((int(match[1]), path) for match, path in found if match and (path / STEP_FILE).exists())


def step_folder(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}"


def newest_checkpoint(job: Job) -> tuple[Path, bool] | None:
    """The newest checkpoint, and whether it is sharded; a sharded one is preferred, because it is read faster."""
    candidates = [(step, 1, path) for step, path in saved_steps(job.sharded)]
    candidates += [(step, 0, path) for step, path in saved_steps(job.checkpoints)]
    if not candidates:
        return None
    _, is_sharded, path = max(candidates)
    return path, is_sharded == 1


def read_record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / STEP_FILE).read_text("utf-8"))
    if record.get("version") not in (1, 2):
        raise TrainerError("run/damaged-checkpoint", {"path": str(folder), "why": "step.json has another version"})
    return record


def state_of(optimizer: Optimizer) -> dict[str, Tensor]:
    """Weights and moments by the names of a sharded checkpoint: `weights.NAME`, `exp_avg.NAME`."""
    state = {f"weights.{name}": parameter.data for name, parameter in optimizer.parameters.items()}
    for part, tensors in optimizer.moments.items():
        state.update({f"{part}.{name}": tensor for name, tensor in tensors.items()})
    return state


def load_sharded(folder: Path, optimizer: Optimizer) -> None:
    reader = dcp.FileSystemReader(str(folder))
    stored = reader.read_metadata().state_dict_metadata
    if optimizer.settings["emaDecay"] > 0 and any(name.startswith("ema.") for name in stored):
        optimizer.moments["ema"] = {n: torch.empty_like(p.data) for n, p in optimizer.parameters.items()}
    dcp.load(state_of(optimizer), storage_reader=reader)


def load_consolidated(folder: Path, job: Job, optimizer: Optimizer) -> None:
    model = {weight.key: optimizer.parameters[weight.name].data for weight in job.weights}
    dcp.load(model, storage_reader=HuggingFaceStorageReader(str(folder / "model")))
    load_moments(folder, optimizer)


def load_moments(folder: Path, optimizer: Optimizer) -> None:
    """Reads moments.safetensors of a folder. Raises TrainerError if a moment is missing."""
    with safe_open(folder / "moments.safetensors", framework="pt") as file:
        stored = set(file.keys())
    if optimizer.settings["emaDecay"] > 0 and any(name.startswith("ema.") for name in stored):
        optimizer.moments["ema"] = {n: torch.empty_like(p.data) for n, p in optimizer.parameters.items()}
    tensors: dict[str, Tensor] = {}
    for part, by_name in optimizer.moments.items():
        for name, tensor in by_name.items():
            candidates = [f"{part}.{name}", f"{FORMER_NAMES.get(part, part)}.{name}"]
            found = next((candidate for candidate in candidates if candidate in stored), None)
            if found is None:
                why = f"{candidates[0]} is missing"
                raise TrainerError("run/damaged-checkpoint", {"path": str(folder), "why": why})
            tensors[found] = tensor
    dcp.load(tensors, storage_reader=HuggingFaceStorageReader(str(folder)))


class ShardedSaver:
    """Writes sharded checkpoints in the background, one at a time."""

    def __init__(self, job: Job, world: World, kept: int) -> None:
        self._job = job
        self._world = world
        self._kept = kept
        self._pending: tuple[Future[Any], Path, dict[str, Any]] | None = None
        if world.is_first:
            for folder in (job.sharded, job.checkpoints):
                folder.mkdir(exist_ok=True)
                for leftover in folder.glob(".step-*"):
                    shutil.rmtree(leftover)
        world.barrier()

    def start(self, optimizer: Optimizer, record: dict[str, Any]) -> int | None:
        """Begins a checkpoint, after the one before is complete; returns the step of that one, if there was one."""
        finished = self.finish()
        step = record["step"]
        temporary = self._job.sharded / f".step-{step:06d}"
        writer = dcp.FileSystemWriter(str(temporary), sync_files=True)
        future = dcp.async_save(state_of(optimizer), storage_writer=writer, process_group=self._world.background)
        self._pending = (cast("Future[Any]", future), temporary, record)
        return finished

    def poll(self) -> bool:
        """True on the first process once the files are complete; the others follow at `finish`."""
        return self._pending is not None and self._pending[0].done()

    def finish(self) -> int | None:
        """Waits until the checkpoint is complete and puts it into place; returns its step, if there was one."""
        if self._pending is None:
            return None
        future, temporary, record = self._pending
        self._pending = None
        future.result()
        self._world.barrier()
        if self._world.is_first:
            write_json(temporary / STEP_FILE, record)
            target = step_folder(self._job.sharded, record["step"])
            if target.exists():
                shutil.rmtree(target)
            os.replace(temporary, target)
            for _, old in saved_steps(self._job.sharded)[: -self._kept]:
                shutil.rmtree(old)
        self._world.barrier()
        return int(record["step"])


def consolidate(job: Job, optimizer: Optimizer, record: Mapping[str, Any], world: World) -> Path:
    """
    Writes a consolidated checkpoint, complete or not at all. Weights are gathered one at a time; the first process
    writes them. `hashes.json` has the SHA-256 of every file, by which a copy is verified.
    """
    target = step_folder(job.checkpoints, record["step"])
    temporary = job.checkpoints / f".{target.name}"
    hashes: dict[str, str] = {}
    if world.is_first:
        shutil.rmtree(temporary, ignore_errors=True)
        (temporary / "model").mkdir(parents=True)
        hashes.update(copy_template(job, temporary / "model"))
    entries = [(weight.key, optimizer.parameters[weight.name].data) for weight in job.weights]
    entries.sort(key=lambda entry: entry[0])
    files = write_model(temporary / "model", entries, world)
    hashes.update({f"model/{name}": digest for name, digest in files.items()})
    moments = [
        (f"{part}.{name}", tensor) for part, by_name in optimizer.moments.items() for name, tensor in by_name.items()
    ]
    moments.sort(key=lambda entry: entry[0])
    hashes["moments.safetensors"] = write_safetensors(temporary / "moments.safetensors", moments, world)
    if world.is_first:
        write_json(temporary / STEP_FILE, record)
        hashes[STEP_FILE] = digest_of(temporary / STEP_FILE)
        write_json(temporary / "hashes.json", hashes)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
        for _, old in saved_steps(job.checkpoints)[: -job.kept]:
            shutil.rmtree(old)
    world.barrier()
    return target


def copy_template(job: Job, folder: Path) -> dict[str, str]:
    """Copies config, tokenizer and records beside the weights; returns their digests."""
    digests = {}
    for path in sorted(job.model.iterdir()):
        if path.is_file() and not path.name.endswith((".safetensors", ".safetensors.index.json")):
            copy_file(path, folder / path.name)
            digests[f"model/{path.name}"] = digest_of(folder / path.name)
    return digests


def copy_file(source: Path, target: Path) -> None:
    with open(source, "rb") as read, open(target, "wb") as written:
        shutil.copyfileobj(read, written)
        written.flush()
        os.fsync(written.fileno())


def write_model(folder: Path, entries: list[tuple[str, Tensor]], world: World) -> dict[str, str]:
    """Writes weights into files of at most 5 GB, with an index if there are several; returns the digests."""
    shards: list[list[tuple[str, Tensor]]] = [[]]
    size = 0
    for name, tensor in entries:
        bytes_of = 4 * tensor.numel()
        if shards[-1] and size + bytes_of > MOST_SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append((name, tensor))
        size += bytes_of
    count = len(shards)
    names = [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    if count == 1:
        names = ["model.safetensors"]
    digests = {name: write_safetensors(folder / name, shard, world) for name, shard in zip(names, shards)}
    if count > 1 and world.is_first:
        total = sum(4 * tensor.numel() for _, tensor in entries)
        weight_map = {key: name for name, shard in zip(names, shards) for key, _ in shard}
        index = "model.safetensors.index.json"
        write_json(folder / index, {"metadata": {"total_size": total}, "weight_map": weight_map})
        digests[index] = digest_of(folder / index)
    return digests


def write_safetensors(path: Path, entries: Iterable[tuple[str, Tensor]], world: World) -> str:
    """Writes float32 tensors, gathering one at a time; returns the SHA-256 of the file on the first process."""
    entries = list(entries)
    digest = hashlib.sha256()
    file = open(path, "wb") if world.is_first else None

    def write(data: bytes | memoryview) -> None:
        digest.update(data)
        assert file is not None
        file.write(data)

    if file is not None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for name, tensor in entries:
            end = offset + 4 * tensor.numel()
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        write(len(text).to_bytes(8, "little"))
        write(text)
    for _, tensor in entries:
        whole = gather(tensor)
        if file is not None:
            write(whole.detach().float().cpu().contiguous().numpy().data.cast("B"))
    if file is not None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_finite(optimizer: Optimizer, step: int, world: World) -> None:
    """Raises TrainerError: a run cannot resume from NaN."""
    if world.sum([0.0 if optimizer.is_finite() else 1.0])[0] > 0:
        raise TrainerError("run/not-finite", {"step": step, "what": "state of the model"})


@torch.no_grad()
def average_weights(job: Job, optimizer: Optimizer, count: int, measure: Callable[[], float]) -> float:
    """What `measure` returns with the mean weights of the newest `count` sharded checkpoints."""
    own = {name: parameter.data.clone() for name, parameter in optimizer.parameters.items()}
    paths = [path for _, path in saved_steps(job.sharded)[-count:]]
    sums = {name: torch.zeros_like(local(values), dtype=torch.float64) for name, values in own.items()}
    for path in paths:
        weights = {f"weights.{name}": parameter.data for name, parameter in optimizer.parameters.items()}
        dcp.load(weights, storage_reader=dcp.FileSystemReader(str(path)))
        for name, total in sums.items():
            total += local(optimizer.parameters[name].data).double()
    for name, total in sums.items():
        local(optimizer.parameters[name].data).copy_(total / len(paths))
    try:
        return measure()
    finally:
        for name, values in own.items():
            local(optimizer.parameters[name].data).copy_(local(values))
