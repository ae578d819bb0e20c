"""What a work folder holds: job.json and settings.json, which Cambium writes, and the files of the trainer."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from .batches import TextPart

JOB_VERSIONS = (1,)
RUN_VERSIONS = (2,)


class TrainerError(Exception):
    """An error that a person can act on: a code of Cambium's table of errors, and its data."""

    def __init__(self, code: str, detail: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {json.dumps(detail)}")
        self.code = code
        self.detail = dict(detail)


@dataclass(frozen=True)
class Weight:
    """One weight of the model, and how it is updated (Cambium's src-main/train/bucket.ts)."""

    name: str  # in Cambium, and in moments.safetensors
    parameter: str  # in transformers' causal language model
    source: str  # in the files of the checkpoint that the run began with
    key: str  # in the files that are written
    rule: str
    lr_scale: float
    eps_scale: float
    norm_share: float
    decay: bool
    factor: float  # a weight of the initial checkpoint is (stored + offset) * factor - offset
    offset: float
    random_std: float | None  # std of random initial values; None: `random_fill`
    random_fill: float


@dataclass(frozen=True)
class Copies:
    """Entries of a grown weight [rows, columns] that began as copies of earlier entries."""

    name: str
    rows: int
    columns: int
    first_row: list[int] | None
    first_column: list[int] | None
    further: int


@dataclass(frozen=True)
class Job:
    """A work folder. Paths are absolute."""

    dir: Path
    run: dict[str, Any]
    weights: list[Weight]
    copies: list[Copies]
    token_folders: list[Path]
    parts: list[TextPart]
    model: Path
    grown_moments: Path | None
    moment_updates: int
    checkpoints: Path
    kept: int
    teacher: Path | None
    teacher_weights: list[Weight]
    tensor_parallel: int
    compile: bool
    activation_checkpointing: str
    price_per_hour: float | None
    consolidate: str

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.run["settings"]
        return settings

    @property
    def sharded(self) -> Path:
        return self.dir / "sharded"

    def change_settings(self, settings: Mapping[str, Any]) -> None:
        """Writes new settings, so that a restart has them too."""
        self.run["settings"] = dict(settings)
        write_json(self.dir / "settings.json", self.run)


def write_json(path: Path, value: Any) -> None:
    """Writes a file completely or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _read_weight(w: Mapping[str, Any]) -> Weight:
    return Weight(
        name=w["name"],
        parameter=w["parameter"],
        source=w["source"],
        key=w["key"],
        rule=w["rule"],
        lr_scale=w["lrScale"],
        eps_scale=w["epsScale"],
        norm_share=w["normShare"],
        decay=w["hasWeightDecay"],
        factor=w["factor"],
        offset=w["offset"],
        random_std=w["randomStd"],
        random_fill=w["randomFill"],
    )


def read_job(folder: str | os.PathLike[str]) -> Job:
    """Reads a work folder. Raises TrainerError for files of another version."""
    root = Path(folder).resolve()
    job = json.loads((root / "job.json").read_text("utf-8"))
    run = json.loads((root / "settings.json").read_text("utf-8"))
    for name, value, versions in (("job.json", job, JOB_VERSIONS), ("settings.json", run, RUN_VERSIONS)):
        if value.get("version") not in versions:
            why = f"{name} has version {value.get('version')}, and this trainer reads up to {versions[-1]}"
            raise TrainerError("run/damaged", {"run": root.name, "why": why})

    def resolve(path: str | None) -> Path | None:
        return None if path is None else root / path

    return Job(
        dir=root,
        run=run,
        weights=[_read_weight(weight) for weight in job["weights"]],
        copies=[
            Copies(c["name"], c["rows"], c["columns"], c["firstRow"], c["firstColumn"], c["furtherCopies"])
            for c in job["copies"]
        ],
        token_folders=[root / folder for folder in job["tokens"]["folders"]],
        parts=[
            TextPart(p["start"], p["train"], p["heldOut"], p["weight"], p.get("shuffleWindows"))
            for p in job["tokens"]["parts"]
        ],
        model=root / job["model"],
        grown_moments=resolve(job["grownMoments"]),
        moment_updates=job["momentUpdates"],
        checkpoints=(root / job["checkpoints"]).resolve(),
        kept=job["kept"],
        teacher=resolve(job["teacher"]),
        teacher_weights=[_read_weight(weight) for weight in job["teacherWeights"]],
        tensor_parallel=job["tensorParallel"],
        compile=job["compile"],
        activation_checkpointing=job["activationCheckpointing"],
        price_per_hour=job["pricePerHour"],
        consolidate=job["consolidate"],
    )
