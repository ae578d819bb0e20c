"""The golden checkpoints: tiny configs that cover the variants of every family."""
from dataclasses import dataclass, field

import torch
from transformers import (
    ArceeForCausalLM,
    BloomForCausalLM,
    Cohere2ForCausalLM,
    CohereForCausalLM,
    Ernie4_5ForCausalLM,
    Exaone4ForCausalLM,
    FalconForCausalLM,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    GemmaForCausalLM,
    Glm4ForCausalLM,
    GlmForCausalLM,
    GPT2LMHeadModel,
    GPTBigCodeForCausalLM,
    GPTJForCausalLM,
    GPTNeoForCausalLM,
    GPTNeoXForCausalLM,
    GraniteForCausalLM,
    HeliumForCausalLM,
    HunYuanDenseV1ForCausalLM,
    LlamaForCausalLM,
    Ministral3ForCausalLM,
    MinistralForCausalLM,
    MistralForCausalLM,
    MixtralForCausalLM,
    MptForCausalLM,
    NemotronForCausalLM,
    Olmo2ForCausalLM,
    Olmo3ForCausalLM,
    OlmoeForCausalLM,
    OlmoForCausalLM,
    OPTForCausalLM,
    Phi3ForCausalLM,
    PhiForCausalLM,
    Qwen2ForCausalLM,
    Qwen2MoeForCausalLM,
    Qwen3ForCausalLM,
    Qwen3MoeForCausalLM,
    SeedOssForCausalLM,
    SmolLM3ForCausalLM,
    StableLmForCausalLM,
    Starcoder2ForCausalLM,
)

from fixtures import VOCAB


@dataclass(frozen=True)
class Case:
    model_class: type
    config: dict
    seed: int
    dtype: torch.dtype = torch.float32
    max_shard_size: str = "50GB"
    # Stored like the first GPT-2 on the Hub: no "transformer." prefix, causal masks as buffers.
    without_prefix: bool = False
    # Functions that rewrite config.json in the style of older files.
    rewrites: tuple = field(default=())
    # Falcon's eager attention adds its ALiBi twice: to the scores and to the mask.
    attention: str = "eager"


def old_rope(config):
    """transformers 4 wrote rope_theta and rope_scaling instead of rope_parameters."""
    rope = config.pop("rope_parameters")
    return {**config, "rope_theta": rope.pop("rope_theta"), "rope_scaling": rope, "transformers_version": "4.57.0"}


def old_neox(config):
    """Pythia's files use other names for rope_theta and partial_rotary_factor."""
    rope = config.pop("rope_parameters")
    return {
        **config,
        "rotary_emb_base": rope["rope_theta"],
        "rotary_pct": rope["partial_rotary_factor"],
        "transformers_version": "4.57.0",
    }


def old_gemma3(config):
    """The first Gemma 3 files have two rotary bases and a pattern; the scaling is that of full attention."""
    rope = config.pop("rope_parameters")
    full = rope["full_attention"]
    return {
        **config,
        "rope_theta": full.pop("rope_theta"),
        "rope_scaling": full,
        "rope_local_base_freq": rope["sliding_attention"]["rope_theta"],
        "sliding_window_pattern": 2,
        "transformers_version": "4.50.0",
    }


def old_gelu(config):
    return {**config, "hidden_act": "gelu", "hidden_activation": None}


def old_expert_count(config):
    return {("num_experts" if key == "num_local_experts" else key): value for key, value in config.items()}


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


def no_layer_types(config):
    return without(config, "layer_types")


BASE = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    num_hidden_layers=2,
    bos_token_id=0,
    eos_token_id=0,
)
GPT2 = dict(
    vocab_size=VOCAB,
    n_positions=32,
    n_embd=24,
    n_head=3,
    n_layer=2,
    bos_token_id=0,
    eos_token_id=0,
    attn_pdrop=0.0,
    embd_pdrop=0.0,
    resid_pdrop=0.0,
    layer_norm_epsilon=1e-2,
)
LLAMA = dict(
    BASE,
    intermediate_size=40,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rms_norm_eps=1e-2,
    tie_word_embeddings=False,
)
NEOX = dict(
    BASE,
    intermediate_size=40,
    num_attention_heads=3,
    max_position_embeddings=64,
    layer_norm_eps=1e-2,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
)
STABLE = dict(
    BASE,
    intermediate_size=40,
    num_attention_heads=3,
    num_key_value_heads=3,
    max_position_embeddings=64,
    layer_norm_eps=1e-2,
)
OPT = dict(BASE, ffn_dim=40, num_attention_heads=3, max_position_embeddings=32, dropout=0.0, pad_token_id=1)
WINDOW = dict(LLAMA, num_hidden_layers=3, sliding_window=5)
GEMMA = dict(LLAMA, head_dim=8, tie_word_embeddings=True, pad_token_id=0)
GEMMA2 = dict(GEMMA, num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=12)
OLMO = {key: value for key, value in dict(LLAMA, pad_token_id=0).items() if key != "rms_norm_eps"}
FALCON = dict(BASE, layer_norm_epsilon=1e-2, max_position_embeddings=64)
PHI3 = dict(LLAMA, pad_token_id=0)
MOE = dict(LLAMA, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=12)

SLIDING, FULL = "sliding_attention", "full_attention"


def rope(theta, **parameters):
    return {"rope_type": "default", "rope_theta": theta, **parameters}


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 500.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
}
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 500.0,
    "short_factor": [1.0, 1.1],
    "long_factor": [1.5, 4.0],
}
LAYER_NORM = {key: value for key, value in dict(LLAMA, layer_norm_eps=1e-2).items() if key != "rms_norm_eps"}

CASES = {
    "gpt2-tied": Case(GPT2LMHeadModel, GPT2, seed=0),
    "gpt2-untied": Case(
        GPT2LMHeadModel,
        {**GPT2, "tie_word_embeddings": False, "n_inner": 40, "layer_norm_epsilon": 1e-5},
        seed=1,
    ),
    "gpt2-no-prefix": Case(
        GPT2LMHeadModel,
        {**GPT2, "activation_function": "gelu", "n_positions": 24},
        seed=2,
        max_shard_size="24KB",
        without_prefix=True,
    ),
    "gpt2-float16": Case(GPT2LMHeadModel, GPT2, seed=3, dtype=torch.float16),
    "llama-tied-gqa": Case(LlamaForCausalLM, {**LLAMA, "tie_word_embeddings": True}, seed=4),
    "llama-untied-mha": Case(LlamaForCausalLM, {**LLAMA, "num_key_value_heads": 4, "rms_norm_eps": 1e-6}, seed=5),
    "llama-mqa-biases": Case(
        LlamaForCausalLM,
        {**LLAMA, "num_key_value_heads": 1, "attention_bias": True, "mlp_bias": True},
        seed=6,
    ),
    "llama-head-dim": Case(LlamaForCausalLM, {**LLAMA, "head_dim": 10}, seed=7),
    "llama-rope-llama3": Case(
        LlamaForCausalLM,
        {**LLAMA, "num_attention_heads": 2, "num_key_value_heads": 1, "rope_parameters": LLAMA3_ROPE},
        seed=8,
        rewrites=(old_rope,),
    ),
    "llama-rope-linear": Case(LlamaForCausalLM, {**LLAMA, "rope_parameters": LINEAR_ROPE}, seed=9),
    "llama-bfloat16": Case(
        LlamaForCausalLM,
        {**LLAMA, "tie_word_embeddings": True},
        seed=10,
        dtype=torch.bfloat16,
        max_shard_size="9KB",
    ),
    "mistral-window": Case(MistralForCausalLM, WINDOW, seed=20),
    "mistral-head-dim": Case(
        MistralForCausalLM,
        {**LLAMA, "sliding_window": None, "head_dim": 10, "tie_word_embeddings": True},
        seed=21,
    ),
    "qwen2-tied": Case(Qwen2ForCausalLM, {**LLAMA, "tie_word_embeddings": True}, seed=22),
    "qwen2-sliding": Case(
        Qwen2ForCausalLM,
        {**WINDOW, "num_key_value_heads": 1, "use_sliding_window": True, "max_window_layers": 1},
        seed=23,
        rewrites=(no_layer_types,),
    ),
    "qwen3-tied": Case(Qwen3ForCausalLM, {**LLAMA, "head_dim": 10, "tie_word_embeddings": True}, seed=24),
    "qwen3-sliding": Case(
        Qwen3ForCausalLM,
        {
            **WINDOW,
            "head_dim": 4,
            "num_key_value_heads": 4,
            "attention_bias": True,
            "use_sliding_window": True,
            "layer_types": [SLIDING, FULL, SLIDING],
        },
        seed=25,
    ),
    "gpt-neox-parallel": Case(GPTNeoXForCausalLM, NEOX, seed=26, rewrites=(old_neox,)),
    "gpt-neox-sequential": Case(
        GPTNeoXForCausalLM,
        {
            **NEOX,
            "use_parallel_residual": False,
            "attention_bias": False,
            "tie_word_embeddings": True,
            "rope_parameters": rope(100.0, partial_rotary_factor=0.25),
        },
        seed=27,
    ),
    "opt-tied": Case(OPTForCausalLM, OPT, seed=28),
    "opt-untied-no-bias": Case(
        OPTForCausalLM,
        {**OPT, "tie_word_embeddings": False, "enable_bias": False, "activation_function": "gelu"},
        seed=29,
    ),
    "opt-projected": Case(
        OPTForCausalLM, {**OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False}, seed=30
    ),
    "stablelm-parallel": Case(
        StableLmForCausalLM,
        {
            **STABLE,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "use_parallel_residual": True,
            "use_qkv_bias": True,
            "partial_rotary_factor": 0.5,
        },
        seed=31,
    ),
    "stablelm-sequential": Case(StableLmForCausalLM, {**STABLE, "tie_word_embeddings": True}, seed=32),
    "gemma-tied-mqa": Case(
        GemmaForCausalLM, {**GEMMA, "num_key_value_heads": 1}, seed=40, rewrites=(old_rope, old_gelu)
    ),
    "gemma-untied-gqa": Case(
        GemmaForCausalLM,
        {**GEMMA, "attention_bias": True, "tie_word_embeddings": False, "rms_norm_eps": 1e-6},
        seed=41,
    ),
    "gemma-bfloat16": Case(GemmaForCausalLM, GEMMA, seed=42, dtype=torch.bfloat16),
    "gemma2-softcap": Case(
        Gemma2ForCausalLM,
        {**GEMMA2, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        seed=43,
        rewrites=(no_layer_types,),
    ),
    "gemma2-without-softcap": Case(
        Gemma2ForCausalLM,
        {
            **GEMMA2,
            "intermediate_size": 36,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "layer_types": [FULL, SLIDING, SLIDING],
        },
        seed=44,
    ),
    "gemma3-old": Case(
        Gemma3ForCausalLM,
        {
            **GEMMA2,
            "final_logit_softcapping": 3.0,
            "layer_types": [SLIDING, FULL, SLIDING],
            "rope_parameters": {FULL: {**LINEAR_ROPE, "rope_theta": 1000.0}, SLIDING: rope(50.0)},
        },
        seed=45,
        rewrites=(old_gemma3, no_layer_types),
    ),
    "gemma3-listed": Case(
        Gemma3ForCausalLM,
        {
            **GEMMA2,
            "num_key_value_heads": 1,
            "tie_word_embeddings": False,
            "attention_bias": True,
            "layer_types": [FULL, SLIDING, SLIDING],
            "rope_parameters": {FULL: rope(1000.0), SLIDING: rope(50.0)},
        },
        seed=46,
    ),
    "olmo-untied-gqa": Case(OlmoForCausalLM, {**OLMO, "head_dim": 10, "attention_bias": True}, seed=47),
    "olmo-tied": Case(
        OlmoForCausalLM,
        {**OLMO, "num_key_value_heads": 4, "tie_word_embeddings": True},
        seed=48,
        rewrites=(old_rope,),
    ),
    "olmo2-untied-gqa": Case(Olmo2ForCausalLM, {**LLAMA, "head_dim": 10}, seed=49),
    "olmo2-tied-biases": Case(
        Olmo2ForCausalLM,
        {**LLAMA, "num_key_value_heads": 4, "tie_word_embeddings": True, "attention_bias": True},
        seed=50,
    ),
    "phi3-window": Case(
        Phi3ForCausalLM,
        {
            **PHI3,
            "sliding_window": 5,
            "head_dim": 8,
            "rope_parameters": rope(100.0, partial_rotary_factor=0.5),
        },
        seed=51,
    ),
    "phi3-tied": Case(Phi3ForCausalLM, {**PHI3, "num_key_value_heads": 4, "tie_word_embeddings": True}, seed=52),
    "mixtral-untied": Case(
        MixtralForCausalLM,
        {**LLAMA, "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 20},
        seed=60,
    ),
    "mixtral-window": Case(
        MixtralForCausalLM,
        {
            **WINDOW,
            "num_local_experts": 3,
            "num_experts_per_tok": 1,
            "intermediate_size": 20,
            "head_dim": 10,
            "tie_word_embeddings": True,
            "rope_parameters": rope(100.0),
        },
        seed=61,
    ),
    "qwen2-moe-topk-norm": Case(
        Qwen2MoeForCausalLM,
        {
            **MOE,
            "num_experts": 4,
            "num_experts_per_tok": 3,
            "norm_topk_prob": True,
            "shared_expert_intermediate_size": 16,
            "tie_word_embeddings": True,
        },
        seed=62,
    ),
    "qwen2-moe-sliding": Case(
        Qwen2MoeForCausalLM,
        {
            **MOE,
            "num_hidden_layers": 3,
            "sliding_window": 5,
            "use_sliding_window": True,
            "max_window_layers": 2,
            "shared_expert_intermediate_size": 16,
        },
        seed=63,
        rewrites=(no_layer_types,),
    ),
    "qwen3-moe-topk-norm": Case(Qwen3MoeForCausalLM, {**MOE, "head_dim": 10, "norm_topk_prob": True}, seed=64),
    "qwen3-moe-sliding": Case(
        Qwen3MoeForCausalLM,
        {
            **MOE,
            "num_key_value_heads": 4,
            "attention_bias": True,
            "sliding_window": 5,
            "use_sliding_window": True,
            "tie_word_embeddings": True,
        },
        seed=65,
        rewrites=(old_expert_count,),
    ),
    "llama-rope-yarn": Case(LlamaForCausalLM, {**LLAMA, "head_dim": 8, "rope_parameters": YARN_ROPE}, seed=66),
    "phi3-longrope": Case(
        Phi3ForCausalLM,
        {
            **PHI3,
            "hidden_size": 16,
            "rope_parameters": LONG_ROPE,
            "original_max_position_embeddings": 16,
        },
        seed=67,
    ),
    "smollm3-no-rope": Case(
        SmolLM3ForCausalLM,
        {
            **LLAMA,
            "tie_word_embeddings": True,
            "no_rope_layers": [0, 1],
            "attention_bias": True,
            "pad_token_id": 0,
        },
        seed=70,
    ),
    "granite-multipliers": Case(
        GraniteForCausalLM,
        {
            **LLAMA,
            "tie_word_embeddings": True,
            "embedding_multiplier": 3.0,
            "residual_multiplier": 0.4,
            "attention_multiplier": 0.3,
            "logits_scaling": 2.0,
        },
        seed=71,
    ),
    "olmo3-yarn": Case(
        Olmo3ForCausalLM,
        {
            **WINDOW,
            "num_hidden_layers": 2,
            "layer_types": [SLIDING, FULL],
            "rope_parameters": {FULL: YARN_ROPE, SLIDING: rope(50.0)},
        },
        seed=72,
    ),
    "phi-untied": Case(PhiForCausalLM, {**LAYER_NORM, "num_attention_heads": 3, "num_key_value_heads": 1}, seed=73),
    "starcoder2-window": Case(
        Starcoder2ForCausalLM, {**BASE, **LAYER_NORM, "norm_epsilon": 1e-2, "sliding_window": 5}, seed=74
    ),
    "cohere-biases": Case(
        CohereForCausalLM,
        {**LAYER_NORM, "tie_word_embeddings": True, "attention_bias": True, "logit_scale": 0.5, "pad_token_id": 0},
        seed=75,
    ),
    "cohere2-sliding": Case(
        Cohere2ForCausalLM,
        {
            **LAYER_NORM,
            "num_attention_heads": 6,
            "tie_word_embeddings": True,
            "sliding_window": 5,
            "layer_types": [SLIDING, FULL],
            "logit_scale": 0.5,
            "pad_token_id": 0,
        },
        seed=76,
    ),
    "glm-partial": Case(GlmForCausalLM, {**LLAMA, "head_dim": 8, "pad_token_id": 0}, seed=77),
    "glm4-partial": Case(Glm4ForCausalLM, {**LLAMA, "head_dim": 8, "pad_token_id": 0}, seed=78),
    "nemotron-partial": Case(NemotronForCausalLM, {**LAYER_NORM, "head_dim": 8, "norm_eps": 1e-2}, seed=79),
    "ministral-sliding": Case(
        MinistralForCausalLM,
        {
            **LLAMA,
            "head_dim": 6,
            "sliding_window": 5,
            "layer_types": [SLIDING, FULL],
            "tie_word_embeddings": True,
        },
        seed=80,
    ),
    "ministral3-yarn": Case(
        Ministral3ForCausalLM,
        {
            **LLAMA,
            "head_dim": 8,
            "rope_parameters": {**YARN_ROPE, "original_max_position_embeddings": 5, "llama_4_scaling_beta": 0.4},
        },
        seed=81,
    ),
    "exaone4-sliding": Case(
        Exaone4ForCausalLM, {**LLAMA, "sliding_window": 5, "layer_types": [SLIDING, FULL]}, seed=82
    ),
    "arcee-biases": Case(ArceeForCausalLM, {**LLAMA, "attention_bias": True, "mlp_bias": True}, seed=83),
    "ernie4-5-tied": Case(
        Ernie4_5ForCausalLM,
        {**LLAMA, "head_dim": 8, "tie_word_embeddings": True, "use_bias": True, "pad_token_id": 0},
        seed=84,
    ),
    "seed-oss-biases": Case(
        SeedOssForCausalLM, {**LLAMA, "head_dim": 8, "attention_out_bias": True, "pad_token_id": 0}, seed=85
    ),
    "hunyuan-alpha": Case(
        HunYuanDenseV1ForCausalLM,
        {
            **LLAMA,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 1.0, "alpha": 3.0},
        },
        seed=86,
    ),
    "helium-untied": Case(HeliumForCausalLM, {**LLAMA, "head_dim": 6, "pad_token_id": 0}, seed=87),
    "gptj-rotary": Case(GPTJForCausalLM, {**GPT2, "n_inner": 40, "rotary_dim": 4}, seed=88),
    "gpt-neo-local": Case(
        GPTNeoForCausalLM,
        {
            **{key: value for key, value in BASE.items() if key != "num_hidden_layers"},
            "num_layers": 2,
            "num_heads": 3,
            "intermediate_size": 40,
            "max_position_embeddings": 32,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 5,
            "layer_norm_epsilon": 1e-2,
        },
        seed=89,
    ),
    "gpt-bigcode-mqa": Case(GPTBigCodeForCausalLM, {**GPT2, "n_inner": 40}, seed=90),
    "olmoe-untied": Case(
        OlmoeForCausalLM,
        {
            **without(MOE, "moe_intermediate_size"),
            "intermediate_size": 12,
            "num_key_value_heads": 4,
            "attention_bias": True,
            "pad_token_id": 0,
        },
        seed=96,
    ),
    "bloom-tied": Case(
        BloomForCausalLM,
        dict(vocab_size=VOCAB, hidden_size=24, n_layer=2, n_head=3, layer_norm_epsilon=1e-2, bos_token_id=0, eos_token_id=0),
        seed=91,
    ),
    "mpt-tied": Case(
        MptForCausalLM,
        dict(vocab_size=VOCAB, d_model=24, n_layers=2, n_heads=3, max_seq_len=32, layer_norm_epsilon=1e-2, eos_token_id=0),
        seed=92,
    ),
    "falcon-parallel": Case(
        FalconForCausalLM, {**FALCON, "num_attention_heads": 4, "ffn_hidden_size": 40}, seed=93
    ),
    "falcon-sequential": Case(
        FalconForCausalLM,
        {**FALCON, "num_attention_heads": 3, "parallel_attn": False, "bias": True, "tie_word_embeddings": False},
        seed=94,
    ),
    "falcon-alibi": Case(
        FalconForCausalLM,
        {
            **FALCON,
            # Their slopes are no bfloat16 numbers.
            "num_attention_heads": 12,
            "ffn_hidden_size": 40,
            "multi_query": False,
            "alibi": True,
            "parallel_attn": False,
            "bias": True,
        },
        seed=95,
        attention="sdpa",
    ),
}
