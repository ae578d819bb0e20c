"""Writes tests/fixtures/golden and tests/fixtures/losses: what transformers and PyTorch compute for tiny random models.

Run with any Python that has torch, transformers and safetensors:
    python tests/parity/make-golden.py [golden [CASE...]] [losses] [others]
The same versions on the same kind of processor write the same bytes; `versions` in each file names them.
"""
import json
import math
import re
import shutil
import sys
from pathlib import Path

import safetensors.torch
import torch
import transformers
from transformers import (AutoModelForCausalLM, Gemma2ForCausalLM, Gemma3ForCausalLM, GemmaForCausalLM, GPT2LMHeadModel, GPTNeoXForCausalLM, LlamaForCausalLM, MistralForCausalLM, MixtralForCausalLM, Olmo2ForCausalLM, OlmoForCausalLM,
                          OPTForCausalLM, Phi3ForCausalLM, Qwen2ForCausalLM, Qwen2MoeForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM, StableLmForCausalLM)

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
BATCH, LENGTH, VOCAB = 2, 17, 37

GPT2 = dict(vocab_size=VOCAB, n_positions=32, n_embd=24, n_head=3, n_layer=2, bos_token_id=0, eos_token_id=0,
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, layer_norm_epsilon=1e-2)
LLAMA = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, rms_norm_eps=1e-2, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)
WINDOW = dict(LLAMA, num_hidden_layers=3, sliding_window=5)
NEOX = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=64, layer_norm_eps=1e-2,
            bos_token_id=0, eos_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5})
STABLE = dict(vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3, max_position_embeddings=64,
              layer_norm_eps=1e-2, bos_token_id=0, eos_token_id=0)
OPT = dict(vocab_size=VOCAB, hidden_size=24, ffn_dim=40, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=32, dropout=0.0, bos_token_id=0, eos_token_id=0, pad_token_id=1)
GEMMA = dict(LLAMA, head_dim=8, tie_word_embeddings=True, pad_token_id=0)
GEMMA2 = dict(GEMMA, num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=12)
OLMO = {key: value for key, value in dict(LLAMA, pad_token_id=0).items() if key != "rms_norm_eps"}
PHI3 = dict(LLAMA, pad_token_id=0)
MOE = dict(LLAMA, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=12)

# name: (class, config, how it is stored); a case without a seed of its own has its place in the list
CASES = {
    "gpt2-tied":        (GPT2LMHeadModel, GPT2, {}),
    "gpt2-untied":      (GPT2LMHeadModel, {**GPT2, "tie_word_embeddings": False, "n_inner": 40, "layer_norm_epsilon": 1e-5}, {}),
    "gpt2-no-prefix": (GPT2LMHeadModel, {**GPT2, "activation_function": "gelu", "n_positions": 24}, {"bare": True, "shard": "24KB"}),
    "gpt2-float16":     (GPT2LMHeadModel, GPT2, {"dtype": torch.float16}),
    "llama-tied-gqa":   (LlamaForCausalLM, {**LLAMA, "tie_word_embeddings": True}, {}),
    "llama-untied-mha": (LlamaForCausalLM, {**LLAMA, "num_key_value_heads": 4, "rms_norm_eps": 1e-6}, {}),
    "llama-mqa-biases": (LlamaForCausalLM, {**LLAMA, "num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True}, {}),
    "llama-head-dim":   (LlamaForCausalLM, {**LLAMA, "head_dim": 10}, {}),
    "llama-rope-llama3": (LlamaForCausalLM, {**LLAMA, "num_attention_heads": 2, "num_key_value_heads": 1, "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}}, {"old_rope": True}),
    "llama-rope-linear": (LlamaForCausalLM, {**LLAMA, "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}}, {}),
    "llama-bfloat16":   (LlamaForCausalLM, {**LLAMA, "tie_word_embeddings": True}, {"dtype": torch.bfloat16, "shard": "9KB"}),
    "mistral-window":   (MistralForCausalLM, WINDOW, {"seed": 20}),
    "mistral-head-dim": (MistralForCausalLM, {**LLAMA, "sliding_window": None, "head_dim": 10, "tie_word_embeddings": True}, {"seed": 21}),
    "qwen2-tied":       (Qwen2ForCausalLM, {**LLAMA, "tie_word_embeddings": True}, {"seed": 22}),
    "qwen2-sliding":    (Qwen2ForCausalLM, {**WINDOW, "num_key_value_heads": 1, "use_sliding_window": True, "max_window_layers": 1}, {"seed": 23, "old_layers": True}),
    "qwen3-tied":       (Qwen3ForCausalLM, {**LLAMA, "head_dim": 10, "tie_word_embeddings": True}, {"seed": 24}),
    "qwen3-sliding":    (Qwen3ForCausalLM, {**WINDOW, "head_dim": 4, "num_key_value_heads": 4, "attention_bias": True, "use_sliding_window": True,
                                            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}, {"seed": 25}),
    "gpt-neox-parallel":   (GPTNeoXForCausalLM, NEOX, {"seed": 26, "old_neox": True}),
    "gpt-neox-sequential": (GPTNeoXForCausalLM, {**NEOX, "use_parallel_residual": False, "attention_bias": False, "tie_word_embeddings": True,
                                                 "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.25}}, {"seed": 27}),
    "opt-tied":         (OPTForCausalLM, OPT, {"seed": 28}),
    "opt-untied-no-bias": (OPTForCausalLM, {**OPT, "tie_word_embeddings": False, "enable_bias": False, "activation_function": "gelu"}, {"seed": 29}),
    "opt-projected":    (OPTForCausalLM, {**OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False}, {"seed": 30}),
    "stablelm-parallel":   (StableLmForCausalLM, {**STABLE, "num_attention_heads": 6, "num_key_value_heads": 2, "use_parallel_residual": True, "use_qkv_bias": True, "partial_rotary_factor": 0.5}, {"seed": 31}),
    "stablelm-sequential": (StableLmForCausalLM, {**STABLE, "tie_word_embeddings": True}, {"seed": 32}),
    "gemma-tied-mqa":   (GemmaForCausalLM, {**GEMMA, "num_key_value_heads": 1}, {"seed": 40, "old_rope": True, "old_gelu": True}),
    "gemma-untied-gqa": (GemmaForCausalLM, {**GEMMA, "attention_bias": True, "tie_word_embeddings": False, "rms_norm_eps": 1e-6}, {"seed": 41}),
    "gemma-bfloat16":   (GemmaForCausalLM, GEMMA, {"seed": 42, "dtype": torch.bfloat16}),
    "gemma2-softcap": (Gemma2ForCausalLM, {**GEMMA2, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}, {"seed": 43, "old_layers": True}),
    "gemma2-without-softcap": (Gemma2ForCausalLM, {**GEMMA2, "intermediate_size": 36, "attn_logit_softcapping": None, "final_logit_softcapping": None, "num_key_value_heads": 4, "tie_word_embeddings": False,
                                             "layer_types": ["full_attention", "sliding_attention", "sliding_attention"]}, {"seed": 44}),
    "gemma3-old":       (Gemma3ForCausalLM, {**GEMMA2, "final_logit_softcapping": 3.0, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "rope_parameters": {
        "full_attention": {"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}}}, {"seed": 45, "old_gemma3": True, "old_layers": True}),
    "gemma3-listed":    (Gemma3ForCausalLM, {**GEMMA2, "num_key_value_heads": 1, "tie_word_embeddings": False, "attention_bias": True,
                                             "layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": 1000.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 50.0}}}, {"seed": 46}),
    "olmo-untied-gqa":  (OlmoForCausalLM, {**OLMO, "head_dim": 10, "attention_bias": True}, {"seed": 47}),
    "olmo-tied":        (OlmoForCausalLM, {**OLMO, "num_key_value_heads": 4, "tie_word_embeddings": True}, {"seed": 48, "old_rope": True}),
    "olmo2-untied-gqa": (Olmo2ForCausalLM, {**LLAMA, "head_dim": 10}, {"seed": 49}),
    "olmo2-tied-biases": (Olmo2ForCausalLM, {**LLAMA, "num_key_value_heads": 4, "tie_word_embeddings": True, "attention_bias": True}, {"seed": 50}),
    "phi3-window":      (Phi3ForCausalLM, {**PHI3, "sliding_window": 5, "head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}}, {"seed": 51}),
    "mixtral-untied":   (MixtralForCausalLM, {**LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 20}, {"seed": 60}),
    "mixtral-window":   (MixtralForCausalLM, {**WINDOW, "num_local_experts": 3, "num_experts_per_tok": 1, "intermediate_size": 20, "head_dim": 10, "tie_word_embeddings": True,
                                              "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}, {"seed": 61}),
    "qwen2-moe-topk-norm": (Qwen2MoeForCausalLM, {**MOE, "num_experts": 4, "num_experts_per_tok": 3, "norm_topk_prob": True, "shared_expert_intermediate_size": 16, "tie_word_embeddings": True}, {"seed": 62}),
    "qwen2-moe-sliding": (Qwen2MoeForCausalLM, {**MOE, "num_hidden_layers": 3, "sliding_window": 5, "use_sliding_window": True, "max_window_layers": 2, "shared_expert_intermediate_size": 16}, {"seed": 63, "old_layers": True}),
    "qwen3-moe-topk-norm": (Qwen3MoeForCausalLM, {**MOE, "head_dim": 10, "norm_topk_prob": True}, {"seed": 64}),
    "qwen3-moe-sliding": (Qwen3MoeForCausalLM, {**MOE, "num_key_value_heads": 4, "attention_bias": True, "sliding_window": 5, "use_sliding_window": True, "tie_word_embeddings": True}, {"seed": 65, "old_experts": True}),
    "phi3-tied":        (Phi3ForCausalLM, {**PHI3, "num_key_value_heads": 4, "tie_word_embeddings": True}, {"seed": 52}),
}


def build(kind, config, seed):
    """A model whose every weight is random, gains and biases too, so that leaving any of them out shows in the logits."""
    made = kind(kind.config_class(**config, attn_implementation="eager")).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight.copy_(0.3 * noise + (1.0 if name.endswith("weight") and not kind.__name__.startswith("Gemma") else 0.0))
            else:
                weight.copy_(noise * (0.5 if re.search(r"wte|embed_tokens|embed_in", name) else 0.2))
    return made


def write(folder, made, stored):
    shutil.rmtree(folder, ignore_errors=True)
    if "dtype" in stored:
        made = made.to(stored["dtype"])
    if stored.get("bare"):
        # As the first GPT-2 on the Hub: no "transformer." prefix, and the causal mask kept as buffers.
        made.transformer.save_pretrained(folder, max_shard_size=stored["shard"])
        add_buffers(folder, made.config)
        rewrite(folder / "config.json", lambda c: {**c, "architectures": ["GPT2LMHeadModel"]})
    else:
        made.save_pretrained(folder, max_shard_size=stored.get("shard", "50GB"))
    if stored.get("old_rope"):
        rewrite(folder / "config.json", old_rope)
    if stored.get("old_neox"):
        rewrite(folder / "config.json", old_neox)
    if stored.get("old_gelu"):
        rewrite(folder / "config.json", lambda c: {**c, "hidden_act": "gelu", "hidden_activation": None})
    if stored.get("old_gemma3"):
        rewrite(folder / "config.json", old_gemma3)
    if stored.get("old_experts"):
        rewrite(folder / "config.json", lambda c: {("num_experts" if k == "num_local_experts" else k): v for k, v in c.items()})
    if stored.get("old_layers"):
        rewrite(folder / "config.json", lambda c: {k: v for k, v in c.items() if k != "layer_types"})
    (folder / "generation_config.json").unlink(missing_ok=True)


def rewrite(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text())), indent=2, sort_keys=True) + "\n")


def old_rope(config):
    """transformers 4 wrote rope_theta and rope_scaling where 5 writes rope_parameters."""
    rope = config.pop("rope_parameters")
    return {**config, "rope_theta": rope.pop("rope_theta"), "rope_scaling": rope, "transformers_version": "4.57.0"}


def old_gemma3(config):
    """Two bases and a pattern, as in the first files; the scaling is that of layers that see everything."""
    rope = config.pop("rope_parameters")
    full = rope["full_attention"]
    return {**config, "rope_theta": full.pop("rope_theta"), "rope_scaling": full, "rope_local_base_freq": rope["sliding_attention"]["rope_theta"], "sliding_window_pattern": 2,
            "transformers_version": "4.50.0"}


def old_neox(config):
    """Names of their own for what other families call rope_theta and partial_rotary_factor, as in Pythia's files."""
    rope = config.pop("rope_parameters")
    return {**config, "rotary_emb_base": rope["rope_theta"], "rotary_pct": rope["partial_rotary_factor"], "transformers_version": "4.57.0"}


def add_buffers(folder, config):
    first = sorted(folder.glob("model-*.safetensors"))[0]
    weights = safetensors.torch.load_file(first)
    mask = torch.tril(torch.ones(config.n_positions, config.n_positions)).view(1, 1, config.n_positions, config.n_positions)
    extra = {f"h.{i}.attn.bias": mask.clone() for i in range(config.n_layer)}
    safetensors.torch.save_file({**weights, **extra}, first, metadata={"format": "pt"})
    index = folder / "model.safetensors.index.json"
    rewrite(index, lambda c: {**c, "weight_map": {**c["weight_map"], **{name: first.name for name in extra}}})


def tokens_of(seed, *shape):
    """Tokens with something to learn: mostly a fixed successor, sometimes a random token."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randint(VOCAB, (math.prod(shape),), generator=generator)
    chance = torch.rand(flat.shape, generator=generator)
    for i in range(1, len(flat)):
        if chance[i] < 0.7:
            flat[i] = (5 * flat[i - 1] + 3) % VOCAB
    return flat.view(*shape)


def numbers(x, digits=9):
    """Float32 needs nine digits to come back exactly."""
    return [float(f"{v:.{digits}g}") for v in x.detach().double().flatten().tolist()]


def golden(only=()):
    for place, (name, (kind, config, stored)) in enumerate(CASES.items()):
        if only and name not in only:
            continue
        seed = stored.get("seed", place)
        folder = FIXTURES / "golden" / name
        made = build(kind, config, seed)
        ids = tokens_of(100 + seed, BATCH, LENGTH)
        with torch.no_grad():
            before = made(ids).logits
        write(folder, made, stored)
        opened = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        with torch.no_grad():
            if "dtype" in stored and "gemma" in name:          # the number that multiplies embeddings is rounded as it is in the stored type
                opened.model.embed_tokens.embed_scale.copy_(opened.model.embed_tokens.embed_scale.to(stored["dtype"]))
            logits = opened(ids).logits
            assert (logits - before).abs().max() < (0.2 if "dtype" in stored else 1e-5), f"{name} does not open as it was written"
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, VOCAB), ids[:, 1:].reshape(-1))
            sparse = hasattr(opened.config, "num_experts_per_tok")
            balance = {"balance": numbers(opened(ids[:, :-1], output_router_logits=True).aux_loss)[0]} if sparse else {}
            greedy = opened.generate(ids[:1, :4], attention_mask=torch.ones(1, 4, dtype=torch.long), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0)
        expected = {"versions": VERSIONS, "parameters": opened.num_parameters(), "shape": [BATCH, LENGTH, VOCAB], "ids": ids.tolist(),
                    "loss": numbers(loss)[0], **balance, "greedy": greedy[0].tolist(), "logits": numbers(logits)}
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")
        size = sum(f.stat().st_size for f in folder.iterdir())
        print(f"{name:20} {opened.num_parameters():7} parameters  {size / 1e3:6.1f} kB  loss {loss:.4f}  std {logits.std():.3f}")


STEPS, ROWS, SEQUENCE = 20, 2, 16
OPTIMIZER = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "decay": 0.1}


def constant(step):
    return OPTIMIZER["lr"]


def cosine(step, warmup=5, floor=0.1):
    """Linear warm-up over the first `warmup` steps, then half a cosine that ends at `floor` of the peak at the last step."""
    if step <= warmup:
        return OPTIMIZER["lr"] * step / warmup
    share = (step - warmup) / (STEPS - warmup)
    return OPTIMIZER["lr"] * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share)))


def plain(name, weight):
    return 1.0, OPTIMIZER["decay"] if weight.ndim >= 2 else 0.0


def halved(name, weight):
    """As a growth plan asks for: block matrices at half the rate, with twice the decay."""
    factor = 0.5 if re.search(r"\.\d+\.", name) and weight.ndim >= 2 else 1.0
    return factor, (OPTIMIZER["decay"] / factor if weight.ndim >= 2 else 0.0)


# name: (learning rate of a step, (rate factor, decay) of a weight, device batches per update, largest gradient norm; 6 clips some steps only)
CURVES = {
    "constant":   (constant, plain, 1, 1.0),
    "cosine":     (cosine, plain, 1, 1.0),
    "accumulate": (constant, plain, 2, 6.0),
    "rates":      (cosine, halved, 1, 1.0),
}


def steep(step):
    return 50 * constant(step)


# As CURVES, and the optimizer
OTHERS = {
    "muon":            (cosine, plain, 1, 1.0, "muon"),
    "muon-accumulate": (constant, plain, 2, 6.0, "muon"),
    "sgd":             (steep, plain, 1, 1.0, "sgd"),
}
MOMENTUM = {"adamw": 0.0, "muon": 0.95, "sgd": 0.9}


def optimizers(kind, named, each):
    """AdamW, or what stands in its place for which weights; each group has the factor of its learning rate."""
    def groups(wanted):
        return [{"params": [named[n] for n in each if each[n] == f and wanted(n)], "factor": f[0], "weight_decay": f[1]} for f in sorted({each[n] for n in each if wanted(n)})]
    matrix = lambda name: kind == "muon" and re.search(r"\.\d+\.", name) is not None and named[name].ndim == 2
    if kind == "sgd":
        return [torch.optim.SGD(groups(lambda n: True), lr=1.0, momentum=MOMENTUM[kind], foreach=False)]
    adamw = torch.optim.AdamW(groups(lambda n: not matrix(n)), lr=1.0, betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["eps"], foreach=False)
    return [adamw] if kind == "adamw" else [adamw, torch.optim.Muon(groups(matrix), lr=1.0, momentum=MOMENTUM[kind], nesterov=True, adjust_lr_fn="match_rms_adamw")]


def curve(case, batches, rate, factors, accumulate, clip, kind="adamw", dtype=torch.float32):
    made = AutoModelForCausalLM.from_pretrained(FIXTURES / "golden" / case, dtype=dtype, attn_implementation="eager").train()
    named = {name.removeprefix("transformer."): p for name, p in made.named_parameters()}
    each = {name: factors(name, p) for name, p in named.items()}
    chosen = optimizers(kind, named, each)
    steps, gradients = [], {}
    for step in range(1, STEPS + 1):
        for group in (g for o in chosen for g in o.param_groups):
            group["lr"] = rate(step) * group["factor"]
        total = 0.0
        for micro in range(accumulate):
            rows = batches[(step - 1) * accumulate + micro]
            logits = made(rows[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), rows[:, 1:].reshape(-1)) / accumulate
            loss.backward()
            total += loss.item()
        if step == 1:
            gradients = {name: numbers(p.grad.norm())[0] for name, p in named.items()}
        norm = torch.nn.utils.clip_grad_norm_(made.parameters(), clip, foreach=False)
        steps.append({"step": step, "loss": float(f"{total:.9g}"), "norm": numbers(norm)[0], "lr": rate(step)})
        for optimizer in chosen:
            optimizer.step()
            optimizer.zero_grad()
    return {**({} if kind == "adamw" else {"optimizer": kind, "momentum": MOMENTUM[kind]}), "accumulate": accumulate, "clip": clip, "weights": {n: {"rate": f, "decay": d} for n, (f, d) in each.items()}, "steps": steps, "gradientNorms": gradients,
            # A key's bias moves no softmax: its gradient is rounding, which Adam blows up, so GPT-2's fused bias is left out.
            "finalNorms": {n: numbers(p.norm())[0] for n, p in named.items() if not n.endswith("c_attn.bias")},
            "final": {n: {"shape": list(p.shape), "values": numbers(p)} for n, p in named.items() if re.search(r"^ln_f|^model\.norm|\.0\.(mlp\.c_proj|self_attn\.k_proj)\.weight", n)}}


def losses():
    for seed, case in enumerate(["gpt2-tied", "llama-tied-gqa"]):
        batches = tokens_of(200 + seed, STEPS * 2, ROWS, SEQUENCE + 1)
        curves = {name: curve(case, batches, *how) for name, how in CURVES.items()}
        file = {"versions": VERSIONS, "checkpoint": case, "optimizer": OPTIMIZER, "batch": ROWS, "sequence": SEQUENCE, "batches": batches.tolist(), "curves": curves}
        (FIXTURES / "losses" / f"{case}.json").write_text(json.dumps(file) + "\n")
        report(case, batches, CURVES, curves)


def others():
    """Muon and SGD beside PyTorch's own. Its Muon orthogonalizes in bfloat16, ours in float32: here that one cast is left out."""
    torch.Tensor.bfloat16 = lambda self: self
    for seed, case in enumerate(["gpt2-tied", "llama-tied-gqa"]):
        batches = tokens_of(300 + seed, STEPS * 2, ROWS, SEQUENCE + 1)
        curves = {name: curve(case, batches, *how) for name, how in OTHERS.items()}
        file = {"versions": VERSIONS, "checkpoint": case, "optimizer": OPTIMIZER, "batch": ROWS, "sequence": SEQUENCE, "batches": batches.tolist(), "curves": curves}
        (FIXTURES / "losses" / f"{case}-others.json").write_text(json.dumps(file) + "\n")
        report(case, batches, OTHERS, curves)


def report(case, batches, kinds, curves):
    for name, c in curves.items():
        exact = curve(case, batches, *kinds[name], dtype=torch.float64)
        off = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(c["steps"], exact["steps"]))
        print(f"{off:.1e} from float64  {case:16} {name:10} loss {c['steps'][0]['loss']:.4f} -> {c['steps'][-1]['loss']:.4f}, norm {min(s['norm'] for s in c['steps']):.2f}..{max(s['norm'] for s in c['steps']):.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    asked = sys.argv[1:] or ["golden", "losses", "others"]
    if "golden" in asked:
        golden([name for name in asked if name in CASES])
    if "losses" in asked:
        losses()
    if "others" in asked:
        others()
