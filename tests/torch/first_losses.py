"""Prints the loss of the first update of each of several work folders, as one JSON list, computed by one process."""

import json
import sys
from pathlib import Path

trainer = Path(sys.argv[1])
sys.path.insert(0, str(trainer))

from cambium_torch.batches import BatchOrder, Tokens  # noqa: E402
from cambium_torch.forward import BatchReader, Forward, update_starts  # noqa: E402
from cambium_torch.job import TrainerError, read_job  # noqa: E402
from cambium_torch.model import build_model, load_initial, parameters_of  # noqa: E402
from cambium_torch.world import open_world  # noqa: E402

world = open_world("cpu", 1, 1)
found = []
for folder in sys.argv[2:]:
    job = read_job(folder)
    settings = job.settings
    try:
        model = build_model(job.model, job, world, settings["precision"])
        load_initial(job, parameters_of(model, job.weights))
    except TrainerError as error:
        found.append({"error": str(error)})
        continue
    order = BatchOrder(settings["microBatch"], settings["contextLength"], settings["seed"], job.parts)
    starts = update_starts(0, settings, order)
    reader = BatchReader(Tokens(job.token_folders), settings, world)
    losses = Forward(model, None, settings, world).backward(reader.batches(starts), len(starts), 0.0)
    found.append({"loss": losses.loss})
print(json.dumps(found))
