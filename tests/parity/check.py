"""Opens folders that Cambium wrote in transformers. tests/parity/run.mjs writes one JSON job per line to standard
input and reads one JSON object per line.

compare  {source, grown, type?}           largest |logit difference| on fixed tokens, and whether `generate` runs.
                                          `type` is the expected model_type; default: that of the source
greedy   {source, grown, prompt, tokens}  how many tokens of the greedy continuations agree
continue {dir, prompt, tokens}            the greedy continuation, as text
loss     {dir, text, sequence}            mean next-token loss in nats over windows of `sequence` targets
"""
import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(2)


def load_model(folder):
    """The model in float32. Raises if weights are missing, left over or of another shape."""
    # Falcon's eager attention adds its ALiBi twice.
    attention = "sdpa" if getattr(AutoConfig.from_pretrained(folder), "alibi", False) else "eager"
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[kind]:
            raise ValueError(f"{kind}: {sorted(map(str, report[kind]))[:3]}")
    embed = model.get_input_embeddings()
    if hasattr(embed, "embed_scale"):
        # Cambium rounds the scale to the element type of the stored weights, as transformers does on loading.
        config = json.loads((Path(folder) / "config.json").read_text())
        dtype = getattr(torch, config.get("dtype") or config.get("torch_dtype") or "float32")
        embed.embed_scale.data = embed.embed_scale.to(dtype).float()
    return model.eval()


def random_ids(config, length=24):
    length = min(length, getattr(config, "max_position_embeddings", length))
    return torch.randint(config.vocab_size, (3, length), generator=torch.Generator().manual_seed(7))


def generate(model, ids, tokens):
    return model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )[0]


def compare(job):
    source, grown = load_model(job["source"]), load_model(job["grown"])
    model_type = AutoConfig.from_pretrained(job["grown"]).model_type
    expected_type = job.get("type") or source.config.model_type
    if model_type != expected_type:
        raise ValueError(f"the model_type is {model_type}, not {expected_type}")
    ids = random_ids(source.config)
    with torch.no_grad():
        source_logits, grown_logits = source(ids).logits, grown(ids).logits
        grown_logits = grown_logits[..., : source_logits.shape[-1]]  # the vocabulary may have grown
        generated = generate(grown, ids[:1, :4], 8)
    return {
        "delta": (source_logits - grown_logits).abs().max().item(),
        "largest": source_logits.abs().max().item(),
        "generated": len(generated),
        "finite": bool(torch.isfinite(grown_logits).all()),
        "parameters": [source.num_parameters(), grown.num_parameters()],
    }


def greedy(job):
    tokenizer = AutoTokenizer.from_pretrained(job["source"])
    grown_tokenizer = AutoTokenizer.from_pretrained(job["grown"])
    ids = tokenizer(job["prompt"], return_tensors="pt").input_ids
    if ids.tolist() != grown_tokenizer(job["prompt"], return_tensors="pt").input_ids.tolist():
        raise ValueError("the tokenizer changed")
    old = generate(load_model(job["source"]), ids, job["tokens"]).tolist()
    new = generate(load_model(job["grown"]), ids, job["tokens"]).tolist()
    first_difference = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), len(old))
    return {"same": first_difference - ids.shape[1], "text": tokenizer.decode(new)}


def continue_text(job):
    tokenizer = AutoTokenizer.from_pretrained(job["dir"])
    ids = tokenizer(job["prompt"], return_tensors="pt").input_ids
    continuation = generate(load_model(job["dir"]), ids, job["tokens"])[ids.shape[1] :]
    return {"text": tokenizer.decode(continuation)}


def loss(job):
    tokenizer, model = AutoTokenizer.from_pretrained(job["dir"]), load_model(job["dir"])
    sequence = job["sequence"]
    ids = tokenizer(job["text"]).input_ids
    if ids[-1] != tokenizer.eos_token_id:
        ids.append(tokenizer.eos_token_id)
    ids = torch.tensor(ids)
    windows = [ids[start : start + sequence + 1] for start in range(0, len(ids) - sequence, sequence)]
    with torch.no_grad():
        losses = [
            torch.nn.functional.cross_entropy(model(window[None, :-1]).logits[0], window[1:]).item()
            for window in windows
        ]
    return {"loss": sum(losses) / len(losses), "tokens": len(losses) * sequence}


JOBS = {"compare": compare, "greedy": greedy, "continue": continue_text, "loss": loss}

if __name__ == "__main__":
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = JOBS[job["kind"]](job)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
