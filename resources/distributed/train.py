#!/usr/bin/env python3
"""
Trains a work folder of Cambium with PyTorch, on as many processes as torchrun starts:

    torchrun --nproc-per-node 4 train.py WORK

The folder has settings.json and job.json (Cambium's src-main/launch/work writes them); docs/distributed.md describes
it. The program appends to events.jsonl, saves to sharded/ and checkpoints/, and stops at its next step when a file
`stop` is there. Started again, it continues from the newest checkpoint, on any number of processes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from cambium_torch.events import EventLog, timestamp
from cambium_torch.job import TrainerError, read_job, write_json
from cambium_torch.trainer import Trainer
from cambium_torch.world import open_world

FAILURE_FILE = "failure.json"


def main(folder: str) -> int:
    work = Path(folder).resolve()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    is_first = os.environ.get("RANK", "0") == "0"
    log = EventLog(work / "events.jsonl") if is_first else None
    failure = work / FAILURE_FILE
    try:
        if failure.exists():  # a process of the attempt before could not continue, and could not tell the others
            found = json.loads(failure.read_text("utf-8"))
            raise TrainerError(found["code"], found["detail"])
        job = read_job(work)
        s = job.settings
        world = open_world(s["device"], job.tensor_parallel, s["threads"])
        trainer = Trainer(job, world, log)
        trainer.run()
        peaks = trainer.peak_memory()
        if is_first:
            write_json(work / "memory.json", {"processes": world.size, "peakBytes": peaks})
    except TrainerError as error:
        report_failure(log, error.code, error.detail)
    except torch.OutOfMemoryError as error:
        detail = {"device": "the GPU of a process", "detail": str(error).splitlines()[0]}
        write_json(failure, {"code": "engine/out-of-memory", "detail": detail})
        raise
    finally:
        if log is not None:
            log.close()
    if dist.is_initialized():
        dist.destroy_process_group()
    return 0


def report_failure(log: EventLog | None, code: str, detail: dict[str, Any]) -> None:
    """The last event of a run that cannot continue. Starting it again would not help, so the exit code is 0."""
    print(f"{code}: {json.dumps(detail)}", file=sys.stderr)
    if log is None:
        return
    error = {"code": code, "detail": detail}
    log.append("stopped", step=log.last_step(), reason="failed", error=error, time=timestamp())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
