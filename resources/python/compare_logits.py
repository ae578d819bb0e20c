"""Compares logits that Cambium wrote with those of transformers. Run by `cambium verify --against transformers`.

Reads a JSON object from standard input: {"files": [{"model": FOLDER, "logits": FILE}, ...]}, where FILE is a
safetensors file with `tokens` [windows, length] and `logits` [windows, length, vocab]. Prints one JSON object as the
last line: the versions, and for each file how far the logits are from those of transformers.
"""
import json
import os
import sys
from pathlib import Path

# The models are folders; nothing is downloaded, and no code of a repository is run.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def fail(**answer):
    print(json.dumps(answer), flush=True)
    sys.exit(0)


try:
    import torch
    import safetensors.torch
    import transformers
except ImportError as error:
    fail(missing=error.name or str(error))

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def load_model(folder):
    """The model in float32, and the names of weights that transformers misses or does not use."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    embedding = model.get_input_embeddings()
    if hasattr(embedding, "embed_scale"):
        # transformers rounds the scale to the dtype that it loads the model in, which config.json names.
        config = json.loads((Path(folder) / "config.json").read_text())
        dtype = config.get("dtype") or config.get("torch_dtype")
        if isinstance(dtype, str):
            embedding.embed_scale.data = embedding.embed_scale.to(getattr(torch, dtype)).float()
    names = {kind: sorted(map(str, report[f"{kind}_keys"])) for kind in ("missing", "unexpected", "mismatched")}
    return model.eval(), names


def next_token_loss(logits, tokens):
    targets = tokens[:, 1:].reshape(-1).long()
    return torch.nn.functional.cross_entropy(logits[:, :-1].reshape(len(targets), -1).double(), targets).item()


@torch.no_grad()
def compare(model, tokens, logits):
    """The differences over all windows. Windows are read one by one to save memory."""
    theirs = torch.cat([model(window[None]).logits.float() for window in tokens])
    return {
        "tokens": tokens.numel(),
        "maxLogit": (theirs - logits).abs().max().item(),
        "rmsLogit": theirs.double().square().mean().sqrt().item(),
        "lossCambium": next_token_loss(logits, tokens),
        "lossTransformers": next_token_loss(theirs, tokens),
        "agreement": (theirs.argmax(-1) == logits.argmax(-1)).double().mean().item(),
    }, theirs


def main():
    job = json.load(sys.stdin)
    results, all_logits = [], []
    for file in job["files"]:
        stored = safetensors.torch.load_file(file["logits"])
        tokens = stored["tokens"].long()
        try:
            model, names = load_model(file["model"])
        except Exception as error:
            fail(error=f"{type(error).__name__}: {str(error).strip()[:500]}", model=file["model"])
        result, theirs = compare(model, tokens, stored["logits"])
        results.append({**result, **names})
        all_logits.append(theirs)
        del model
    answer = {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "results": results,
    }
    if len(all_logits) == 2:
        source, grown = all_logits
        answer["between"] = (source - grown[..., : source.shape[-1]]).abs().max().item()
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
