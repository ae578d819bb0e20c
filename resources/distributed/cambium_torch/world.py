"""The processes of a job: their mesh, their device, and sums over them."""

from __future__ import annotations

import datetime
import os
import resource
import sys
from dataclasses import dataclass
from typing import Sequence

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh


TIMEOUT = datetime.timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    rank: int
    size: int
    device: torch.device
    data_mesh: DeviceMesh  # over which sequences and weights are divided
    tensor_mesh: DeviceMesh | None  # over which single weights are divided further
    host: dist.ProcessGroup  # for barriers and objects, on the CPU
    # For the thread that writes checkpoints in the background. Two threads must not share a group: their calls would
    # meet in another order on each process.
    background: dist.ProcessGroup

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def data_rank(self) -> int:
        return self.data_mesh.get_local_rank()

    @property
    def data_size(self) -> int:
        return self.data_mesh.size()

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes, in float64."""
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.tolist()

    def from_first(self, value: object) -> object:
        """The value of the first process."""
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.host)
        return values[0]

    def barrier(self) -> None:
        dist.barrier(group=self.host)

    def memory(self) -> int:
        """Bytes that this process uses: of its GPU, or of the process itself."""
        if self.device.type == "cuda":
            return torch.cuda.memory_reserved(self.device)
        return _resident_bytes()

    def peak_memory(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def join_processes(backend: str) -> None:
    """
    Opens the process group. torchrun keeps its store when it starts the processes again after one was lost; without a
    prefix for each attempt they would find the addresses of the attempt before, and wait for them without end.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store, rank, size = next(dist.rendezvous("env://", timeout=TIMEOUT))
    dist.init_process_group(
        backend, store=dist.PrefixStore(f"attempt-{attempt}", store), rank=rank, world_size=size, timeout=TIMEOUT
    )


def open_world(device: str, tensor_parallel: int, threads: int) -> World:
    """Joins the processes that torchrun started; one process alone needs no torchrun."""
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")):
        os.environ.setdefault(name, value)
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = "127.0.0.1"
        os.environ["MASTER_PORT"] = "0" if os.environ["WORLD_SIZE"] == "1" else "29500"
    uses_cuda = device != "cpu" and torch.cuda.is_available()
    kind = "cuda" if uses_cuda else "cpu"
    local_rank = int(os.environ["LOCAL_RANK"])
    if uses_cuda:
        torch.cuda.set_device(local_rank)
    elif threads > 0:
        torch.set_num_threads(threads)
    backend = "cpu:gloo,cuda:nccl" if uses_cuda else "gloo"
    join_processes(backend)
    size = dist.get_world_size()
    if size % tensor_parallel != 0:
        raise ValueError(f"{size} processes cannot be divided into groups of {tensor_parallel}")
    if tensor_parallel > 1:
        shape = (size // tensor_parallel, tensor_parallel)
        mesh = init_device_mesh(kind, shape, mesh_dim_names=("data", "tensor"))
        data_mesh, tensor_mesh = mesh["data"], mesh["tensor"]
    else:
        data_mesh, tensor_mesh = init_device_mesh(kind, (size,), mesh_dim_names=("data",)), None
    return World(
        rank=dist.get_rank(),
        size=size,
        device=torch.device(kind, local_rank) if uses_cuda else torch.device("cpu"),
        data_mesh=data_mesh,
        tensor_mesh=tensor_mesh,
        host=dist.new_group(backend="gloo"),
        background=dist.new_group(backend="gloo"),
    )
