"""Where fixtures are written, and what the scripts that write them share."""
import math
from pathlib import Path

import torch
import transformers

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
VOCAB = 37


def random_tokens(seed, *shape):
    """Tokens that a model can learn: with probability 0.7 a fixed successor, otherwise random."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randint(VOCAB, (math.prod(shape),), generator=generator)
    chance = torch.rand(flat.shape, generator=generator)
    for i in range(1, len(flat)):
        if chance[i] < 0.7:
            flat[i] = (5 * flat[i - 1] + 3) % VOCAB
    return flat.view(*shape)


def to_floats(x, digits=9):
    """The elements as Python floats. Nine significant digits restore a float32 exactly."""
    return [float(f"{v:.{digits}g}") for v in x.detach().double().flatten().tolist()]


def use_deterministic_algorithms():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
