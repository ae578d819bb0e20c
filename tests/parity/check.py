"""What real transformers says about folders that Cambium wrote. Reads one JSON job a line, answers one JSON object a line; tests/parity/run.mjs asks.

compare  {source, grown, type?}             largest |logit difference| on fixed tokens, and whether `generate` runs; `type`: the model_type, where it is another
greedy   {source, grown, prompt, tokens}    whether both continue the prompt alike
continue {dir, prompt, tokens}              the greedy continuation, as text
loss     {dir, text, sequence}              mean next-token loss of each whole window of `sequence` targets, in nats
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


def opened(folder):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[kind]:
            raise ValueError(f"{kind}: {sorted(map(str, report[kind]))[:3]}")
    embed = model.get_input_embeddings()
    if hasattr(embed, "embed_scale"):                                   # rounded as in the type of the stored weights, where Cambium rounds it too
        config = json.loads((Path(folder) / "config.json").read_text())
        embed.embed_scale.data = embed.embed_scale.to(getattr(torch, config.get("dtype") or config.get("torch_dtype") or "float32")).float()
    return model.eval()


def tokens_for(config, length=24):
    length = min(length, getattr(config, "max_position_embeddings", length))
    return torch.randint(config.vocab_size, (3, length), generator=torch.Generator().manual_seed(7))


def generate(model, ids, tokens):
    return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0)[0]


def compare(job):
    source, grown = opened(job["source"]), opened(job["grown"])
    found, wanted = AutoConfig.from_pretrained(job["grown"]).model_type, job.get("type") or source.config.model_type
    if found != wanted:
        raise ValueError(f"the model's type is {found}, not {wanted}")
    ids = tokens_for(source.config)
    with torch.no_grad():
        old, new = source(ids).logits, grown(ids).logits
        new = new[..., : old.shape[-1]]  # a grown vocabulary keeps its old tokens' logits
        written = generate(grown, ids[:1, :4], 8)
    return {"delta": (old - new).abs().max().item(), "largest": old.abs().max().item(), "written": len(written), "finite": bool(torch.isfinite(new).all()),
            "parameters": [source.num_parameters(), grown.num_parameters()]}


def greedy(job):
    ids = AutoTokenizer.from_pretrained(job["source"])(job["prompt"], return_tensors="pt").input_ids
    if ids.tolist() != AutoTokenizer.from_pretrained(job["grown"])(job["prompt"], return_tensors="pt").input_ids.tolist():
        raise ValueError("the tokenizer changed")
    old, new = (generate(opened(job[which]), ids, job["tokens"]).tolist() for which in ("source", "grown"))
    same = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), len(old)) - ids.shape[1]
    return {"same": same, "text": AutoTokenizer.from_pretrained(job["source"]).decode(new)}


def continue_(job):
    tokenizer = AutoTokenizer.from_pretrained(job["dir"])
    ids = tokenizer(job["prompt"], return_tensors="pt").input_ids
    return {"text": tokenizer.decode(generate(opened(job["dir"]), ids, job["tokens"])[ids.shape[1]:])}


def loss(job):
    tokenizer, model = AutoTokenizer.from_pretrained(job["dir"]), opened(job["dir"])
    ids, sequence = tokenizer(job["text"]).input_ids, job["sequence"]
    ids = torch.tensor(ids if ids[-1] == tokenizer.eos_token_id else [*ids, tokenizer.eos_token_id])
    windows = [ids[at:at + sequence + 1] for at in range(0, len(ids) - sequence, sequence)]
    with torch.no_grad():
        each = [torch.nn.functional.cross_entropy(model(w[None, :-1]).logits[0], w[1:]).item() for w in windows]
    return {"loss": sum(each) / len(each), "tokens": len(each) * sequence}


kinds = {"compare": compare, "greedy": greedy, "continue": continue_, "loss": loss}
print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    try:
        answer = kinds[job["kind"]](job)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
