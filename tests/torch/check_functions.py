"""Compares the functions of the trainer with the values of a fixture. Prints every difference, and `ok` if there is none."""

import hashlib
import json
import sys
from pathlib import Path

fixture, trainer = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(trainer))

from cambium_torch.batches import BatchOrder, TextPart, held_out_starts, window_starts  # noqa: E402
from cambium_torch.numbers import derive_key, normals  # noqa: E402
from cambium_torch.schedule import distill_weight, learning_rate, steps_of  # noqa: E402
from cambium_torch.spikes import limit_of  # noqa: E402

BATCHES = 10_000
differences = []


def check(what, found, expected):
    if found != expected:
        differences.append(f"{what}: {found} instead of {expected}")


def check_close(what, found, expected):
    if len(found) != len(expected) or any(abs(a - b) > 1e-14 + 1e-12 * abs(b) for a, b in zip(found, expected)):
        differences.append(f"{what}: {found} instead of {expected}")


stored = json.loads(fixture.read_text("utf-8"))
for i, case in enumerate(stored["batches"]):
    parts = [
        TextPart(p["start"], p["train"], p["heldOut"], p["weight"], p.get("shuffleWindows")) for p in case["parts"]
    ]
    order = BatchOrder(case["microBatch"], case["contextLength"], case["seed"], parts)
    digest = hashlib.sha256()
    for n in range(BATCHES):
        digest.update((" ".join(map(str, window_starts(n, order))) + "\n").encode())
    check(f"batches {i}", digest.hexdigest(), case["sha256"])
    check(f"held-out windows {i}", held_out_starts(parts, order.context_length), case["heldOut"])
for i, case in enumerate(stored["schedules"]):
    settings = case["settings"]
    rates = [learning_rate(settings, step + 1) for step in range(steps_of(settings))]
    check_close(f"learning rates {i}", rates, case["rates"])
for case in stored["normals"]:
    key = derive_key(case["seed"], "start", "layers.0.attention.query")
    check("key", key, case["key"])
    check("normal numbers", normals(key, 0, len(case["values"])).tolist(), case["values"])
check_close("distillation", [distill_weight(0.7, i + 1, 8) for i in range(10)], stored["distill"])
check("limit of outliers", limit_of(stored["spikes"]["losses"], 4), stored["spikes"]["limit"])
print("\n".join(differences) or "ok")
