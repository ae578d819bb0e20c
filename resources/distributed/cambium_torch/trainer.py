"""The steps of a run: read a batch, update, report, evaluate, save (Cambium's src-main/engine/train/run-loop.ts)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from .batches import BatchOrder, Tokens, held_out_starts, train_tokens_in
from .checkpoints import (
    ShardedSaver,
    average_weights,
    check_finite,
    consolidate,
    load_consolidated,
    load_moments,
    load_sharded,
    newest_checkpoint,
    read_record,
)
from .early_stopping import EarlyStopping, add_evaluation, is_patience_spent
from .events import EventLog, timestamp
from .forward import BatchReader, Forward, update_starts
from .job import Job, TrainerError
from .measures import Sampler, asymmetry, with_average
from .model import build_model, load_initial, load_weights, parameters_of
from .optimizer import Optimizer, StepScalars
from .requests import Requests, read_requests
from .schedule import decay_from, distill_weight, is_decaying, learning_rate, steps_of, tokens_per_step
from .spikes import NO_LIMIT, SpikeHistory, limit_of
from .usage import Usage
from .world import World


@dataclass(frozen=True)
class Report:
    """What a step did, equal on all processes."""

    loss: float
    kl: float
    grad_norm: float
    update_ratio: float
    applied: bool
    memory: list[int]


class Trainer:
    """Trains a work folder from its newest checkpoint, or from its start."""

    def __init__(self, job: Job, world: World, log: EventLog | None) -> None:
        self.job, self.world, self._log = job, world, log
        s = job.settings
        self._tokens = Tokens(job.token_folders)
        self._order = BatchOrder(s["microBatch"], s["contextLength"], s["seed"], job.parts)
        self._held_out = held_out_starts(job.parts, s["contextLength"])
        self._reader = BatchReader(self._tokens, s, world)
        model = build_model(job.model, job, world, s["precision"])
        self._parameters = parameters_of(model, job.weights)
        self._forward = Forward(model, self._load_teacher(), s, world)
        self._sampler = Sampler(job, world)
        self._saver = ShardedSaver(job, world, kept=job.kept)
        self._optimizer: Optimizer
        self._history = SpikeHistory()
        self._early_stopping: EarlyStopping | None = None
        self._held_out_loss_here: float | None = None
        self._step = self._cursor = self._updates = self._saved_step = 0
        self._seconds = 0.0
        self._rollbacks = 0
        self._usage = Usage(job, self.emit)

    def _load_teacher(self) -> PreTrainedModel | None:
        if self.job.settings["distillWeight"] <= 0:
            return None
        if self.job.teacher is None:
            raise TrainerError("run/no-source", {"checkpoint": str(self.job.model), "why": "its source is not there"})
        plain = replace(self.job, compile=False, activation_checkpointing="off")
        teacher = build_model(self.job.teacher, plain, self.world, self.job.settings["precision"])
        weights = self.job.teacher_weights
        load_weights(self.job.teacher, weights, parameters_of(teacher, weights))
        teacher.requires_grad_(False)
        return teacher

    def emit(self, type: str, **fields: Any) -> None:
        if self._log is not None:
            self._log.append(type, **{key: value for key, value in fields.items() if value is not ...})

    # The state of a run

    def load(self) -> int:
        """Loads the newest checkpoint, or the initial weights. Returns the updates that grown moments come from."""
        job, s = self.job, self.job.settings
        self._optimizer = Optimizer(job.weights, self._parameters, s, self.world)
        newest = newest_checkpoint(job)
        if newest is None:
            load_initial(job, self._parameters)
            moment_updates = job.moment_updates if s["init"] == "checkpoint" and job.grown_moments else 0
            if moment_updates > 0 and job.grown_moments is not None:
                load_moments(job.grown_moments, self._optimizer)
            self._optimizer.start_average()
            self._history = SpikeHistory()
            self._early_stopping = self._held_out_loss_here = None
            self._step = self._cursor = self._saved_step = 0
            self._updates = moment_updates
            return moment_updates
        folder, is_sharded = newest
        record = read_record(folder)
        trained, now = record["trainTokens"], train_tokens_in(job.parts)
        if trained != now:
            detail = {"run": job.run["name"], "data": job.run["data"], "before": trained, "now": now}
            raise TrainerError("run/text-changed", detail)
        if is_sharded:
            load_sharded(folder, self._optimizer)
        else:
            load_consolidated(folder, job, self._optimizer)
        self._optimizer.start_average()
        self._step = self._saved_step = record["step"]
        self._cursor = record.get("cursor", record["step"])
        self._updates = record.get("updates", record["step"])
        history = record.get("history")
        self._history = SpikeHistory.from_json(history) if history else SpikeHistory()
        stopping = record.get("earlyStopping")
        self._early_stopping = EarlyStopping.from_json(stopping) if stopping else None
        self._held_out_loss_here = record.get("heldOutLoss")
        self._seconds = record["seconds"]
        self._usage.add_earlier(record.get("deviceSeconds", record["seconds"]))
        return 0

    def _record(self) -> dict[str, Any]:
        """step.json: everything that a resume needs and that is no tensor."""
        return {
            "version": 2,
            "step": self._step,
            "tokens": self._step * tokens_per_step(self.job.settings),
            "seconds": self._seconds,
            "deviceSeconds": self._usage.device_seconds(),
            "joules": None,
            "trainTokens": train_tokens_in(self.job.parts),
            "cursor": self._cursor,
            "updates": self._updates,
            "history": self._history.to_json(),
            **({} if self._held_out_loss_here is None else {"heldOutLoss": self._held_out_loss_here}),
            **({} if self._early_stopping is None else {"earlyStopping": self._early_stopping.to_json()}),
        }

    def _is_stopped_early(self) -> bool:
        return is_patience_spent(self._early_stopping, self.job.settings["earlyStoppingPatience"])

    # The run

    def run(self) -> None:
        """Trains until the run is finished or asked to stop. A rollback loads the newest checkpoint and continues."""
        moment_updates = self.load()
        self._emit_restart()
        is_new = self._step == 0 and newest_checkpoint(self.job) is None
        self._usage.start_budgets(self._step)
        self._emit_started(moment_updates)
        if is_new:
            self._evaluate()
        while (report := self._run_segment()) is not None:
            at, cursor, seconds, rollbacks = self._step, self._cursor, self._seconds, self._rollbacks + 1
            if rollbacks > self.job.settings["maxRollbacks"]:
                what = "gradient norm" if math.isfinite(report.loss) else "loss"
                raise TrainerError("run/not-finite", {"step": at, "what": what})
            self._saver.finish()
            self.load()
            # The batches that went wrong are left out.
            self._cursor, self._seconds, self._rollbacks = cursor, seconds, rollbacks
            self.emit("rolled-back", step=self._step, **{"from": at}, time=timestamp())

    def _emit_restart(self) -> None:
        """After a process was lost, the steps since the newest checkpoint are repeated."""
        last = self._log.last_step() if self._log is not None else 0
        if last > self._step:
            self.emit("rolled-back", step=self._step, **{"from": last}, time=timestamp())

    def _emit_started(self, moment_updates: int) -> None:
        job, world = self.job, self.world
        is_cuda = world.device.type == "cuda"
        name = torch.cuda.get_device_name() if is_cuda else "CPU process"
        version = torch.__version__.split("+")[0]
        self.emit(
            "started",
            step=self._step,
            device=world.device.type,
            deviceName=f"{world.size} × {name} (PyTorch {version})",
            memory=torch.cuda.get_device_properties(world.device).total_memory if is_cuda else None,
            parameters=sum(parameter.numel() for parameter in self._parameters.values()),
            steps=steps_of(job.settings),
            trainTokens=train_tokens_in(job.parts),
            heldOutTokens=sum(part.held_out for part in job.parts),
            activationCheckpointing=job.activation_checkpointing,
            momentUpdates=moment_updates if moment_updates > 0 else ...,
            time=timestamp(),
        )

    def _run_segment(self) -> Report | None:
        """Trains to the end or until a stop. Returns the report of the step that calls for a rollback."""
        requests = Requests()
        while self._step < steps_of(self.job.settings) and not self._is_stopped_early():
            if requests.stop or requests.preempt or self._usage.are_tokens_spent(self._step):
                break
            if requests.decay != 0:
                self._decay(requests.decay)
            s = self.job.settings
            steps = steps_of(s)
            report, requests = self._take_step(steps)
            is_finite = self._history.non_finite == 0
            is_last = self._step == steps
            if self._history.non_finite >= s["rollbackAfter"] or (is_last and not is_finite):
                return report

            def is_due(every: int) -> bool:
                return is_last or (every > 0 and self._step % every == 0)

            if is_due(s["evaluateEvery"]):
                self._evaluate()
            if is_due(s["sampleEvery"]):
                text = self._sampler.sample(self._forward.model)
                self.emit("sample", step=self._step, prompt=s["prompt"], text=text)
            if is_finite and is_due(s["saveEvery"]):
                self._save(is_last)
        self._end(requests)
        return None

    def _end(self, requests: Requests) -> None:
        """Saves the state unless it is saved; without a run to continue at once, consolidated too."""
        is_finite = self._history.non_finite == 0
        is_finished = self._step >= steps_of(self.job.settings) or self._is_stopped_early()
        if self._early_stopping is not None and self._is_stopped_early():
            self.emit("early-stopped", step=self._step, **self._early_stopping.to_json())
        if is_finite and (self._saved_step != self._step or self._step == 0):
            self._save(is_last=not requests.preempt)
        elif not requests.preempt:
            self._consolidate_if_missing()
        self._finish_save()
        if requests.preempt and not is_finished:
            self._log_note("saved before the end of its time; the queue starts it again")
            return
        self.emit("stopped", step=self._step, reason="finished" if is_finished else "requested", time=timestamp())

    def _take_step(self, steps: int) -> tuple[Report, Requests]:
        s, world = self.job.settings, self.world
        started = time.monotonic()
        step = self._step + 1
        threshold = s["spikeThreshold"]
        loss_limit = limit_of(self._history.losses, threshold)
        norm_limit = limit_of(self._history.grad_norms, threshold)
        lr = learning_rate(s, step)
        starts = update_starts(self._cursor, s, self._order)
        distill = distill_weight(s["distillWeight"], step, steps)
        losses = self._forward.backward(self._reader.batches(starts), len(starts), distill)
        sums = world.sum([losses.loss, losses.kl, self._optimizer.squared_norm(), *self._ask()])
        requests, is_saved = Requests.from_numbers(sums[3:6]), sums[6] > 0
        # Processes that divide the same layers have the same losses.
        copies = world.size / world.data_size
        loss, kl = (float(np.float32(value / copies)) for value in sums[:2])
        grad_norm = float(np.float32(math.sqrt(sums[2]))) if sums[2] >= 0 else math.nan
        applied = loss < loss_limit and grad_norm < norm_limit
        squares = (0.0, 1.0)
        if applied:
            clip = s["gradClip"] if s["gradClip"] > 0 else NO_LIMIT
            scale = min(1.0, clip / (grad_norm + 1e-6))
            squares = self._optimizer.step(StepScalars(lr, self._updates + 1, scale))
        self._optimizer.clear_gradients()
        memory = [0.0] * world.size
        memory[world.rank] = world.memory()
        step_square, weight_square, *used = world.sum([*squares, *memory])
        ratio = math.sqrt(step_square) / max(math.sqrt(weight_square), 1e-30)
        report = Report(loss, kl, grad_norm, ratio, applied, [int(bytes) for bytes in used])
        self._advance(report, lr, loss_limit, norm_limit, time.monotonic() - started)
        if is_saved:
            self._finish_save()
        return report, requests

    def _ask(self) -> list[float]:
        """What is asked of the run, and whether a checkpoint is complete. Only the first process looks."""
        if not self.world.is_first:
            return [0.0] * 4
        requests = read_requests(self.job.dir)
        if self._usage.is_budget_spent:
            requests = replace(requests, stop=True)
        if is_decaying(self.job.settings):
            requests = replace(requests, decay=0)
        return [*requests.to_numbers(), float(self._saver.poll())]

    def _advance(self, report: Report, lr: float, loss_limit: float, norm_limit: float, seconds: float) -> None:
        """Counts the step and reports it."""
        s = self.job.settings
        self._step += 1
        self._held_out_loss_here = None
        self._cursor += 1
        self._updates += 1 if report.applied else 0
        self._history.add(report.loss, report.grad_norm)
        self._seconds += seconds
        tokens = self._step * tokens_per_step(s)
        if self._history.non_finite == 0:
            self.emit(
                "step",
                step=self._step,
                lr=lr,
                loss=report.loss,
                gradNorm=report.grad_norm,
                updateRatio=report.update_ratio,
                kl=report.kl if s["distillWeight"] > 0 else ...,
                tokens=tokens,
                seconds=seconds,
            )
        if not report.applied:
            self._emit_skipped(report, loss_limit, norm_limit)
        self._usage.add_step(self._step, seconds, report.memory)

    def _emit_skipped(self, report: Report, loss_limit: float, norm_limit: float) -> None:
        is_loss = not report.loss < loss_limit
        value, limit = (report.loss, loss_limit) if is_loss else (report.grad_norm, norm_limit)
        is_finite = math.isfinite(value)
        self.emit(
            "skipped",
            step=self._step,
            what="loss" if is_loss else "gradient norm",
            value=value if is_finite else None,
            limit=limit if is_finite and limit < NO_LIMIT else None,
        )

    # Evaluation and checkpoints

    def _held_out_loss(self) -> float:
        return self._forward.held_out_loss(self._reader, self._held_out)

    def _evaluate(self) -> None:
        s = self.job.settings
        tokens = len(self._held_out) * s["contextLength"]
        if self._held_out:
            loss = self._held_out_loss()
            self.emit("evaluated", step=self._step, loss=loss, tokens=tokens)
            threshold = s["earlyStoppingThreshold"]
            self._early_stopping = add_evaluation(self._early_stopping, self._step, loss, threshold)
            self._held_out_loss_here = loss
            if s["emaDecay"] > 0 and self._step > 0:
                loss = with_average(self._optimizer, self._held_out_loss)
                self.emit("averaged", step=self._step, weights="ema", loss=loss, tokens=tokens)
        if s["init"] == "checkpoint" and self.job.copies:
            self.emit("asymmetry", step=self._step, value=asymmetry(self.job.copies, self._parameters))

    def _save(self, is_last: bool) -> None:
        """Begins a sharded checkpoint in the background; writes a consolidated one where it is due."""
        check_finite(self._optimizer, self._step, self.world)
        if self._log is not None:
            self._log.sync()
        self._finish_save()
        record = self._record()
        self._saver.start(self._optimizer, record)
        self._saved_step = self._step
        self._rollbacks = 0
        if is_last or self.job.consolidate == "save":
            target = consolidate(self.job, self._optimizer, record, self.world)
            self._finish_save()
            self.emit("saved", step=self._step, dir=str(target))
            self._evaluate_average()

    def _finish_save(self) -> None:
        step = self._saver.finish()
        if step is not None:
            self._log_note(f"saved the sharded checkpoint of step {step}")

    def _is_consolidated(self, step: int) -> bool:
        return (self.job.checkpoints / f"step-{step:06d}").exists()

    def _consolidate_if_missing(self) -> None:
        """A run that stops right after a sharded checkpoint still leaves a Hugging Face folder."""
        if self._step == 0 or self._history.non_finite > 0:
            return
        if self.world.from_first(self._is_consolidated(self._step)):
            return
        target = consolidate(self.job, self._optimizer, self._record(), self.world)
        self.emit("saved", step=self._step, dir=str(target))

    def _evaluate_average(self) -> None:
        s = self.job.settings
        if s["averageCheckpoints"] < 1 or not self._held_out:
            return
        loss = average_weights(self.job, self._optimizer, s["averageCheckpoints"], self._held_out_loss)
        tokens = len(self._held_out) * s["contextLength"]
        self.emit("averaged", step=self._step, weights="average", loss=loss, tokens=tokens)

    def _decay(self, steps: int) -> None:
        settings = decay_from(self.job.settings, self._step, steps if steps > 0 else None)
        if self.world.is_first:
            self.job.change_settings(settings)
            (self.job.dir / "decay").unlink(missing_ok=True)
        else:
            self.job.run["settings"] = settings
        self.emit("rescheduled", step=self._step, steps=steps_of(settings), time=timestamp())

    def _log_note(self, text: str) -> None:
        if self.world.is_first:
            print(f"step {self._step}: {text}", flush=True)

    def peak_memory(self) -> list[int]:
        """The most memory that each process has used, in bytes."""
        used = [0.0] * self.world.size
        used[self.world.rank] = self.world.peak_memory()
        return [int(bytes) for bytes in self.world.sum(used)]
