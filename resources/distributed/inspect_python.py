"""Prints as one JSON object which packages of the trainer this Python has, and which GPUs PyTorch can use."""

import importlib.metadata
import json
import platform

NEEDED = ("torch", "transformers", "safetensors", "numpy")


def versions() -> dict[str, str]:
    found = {}
    for name in NEEDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def gpus() -> list[str]:
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


packages = versions()
missing = [name for name in NEEDED if name not in packages]
report = {"python": platform.python_version(), "packages": packages, "missing": missing, "gpus": gpus()}
print(json.dumps(report))
