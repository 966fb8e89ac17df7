"""The models of the chat goldens: shapes small enough for a repository, chosen for what goes wrong silently. Not how they
are run (chat.py).

Every architecture of chat, its `config.json` in the spelling that published models have (chat.py adds the one that this
transformers writes). What is varied on purpose: head sizes 8, 16, 24, 32, 40, 64, 80 and 96; grouped, single and
equal key-value heads; rows that are a multiple of 32, which can be quantised, and rows that are not; tied and untied
heads; windows of 16 and 64 below prompts of 40 and 200; soft caps low enough that they bite; multipliers far from one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Config = dict[str, object]


@dataclass(frozen=True)
class Case:
    """A config over the weights of a model; several may share them."""

    name: str
    config: Config
    #: Name of the weights; cases that share them differ in nothing that has a tensor.
    weights: str
    #: Dtype that the weights are stored in, and so exactly what they are.
    dtype: str = "bfloat16"
    #: Prefix that is taken off every name, as the oldest checkpoints have none.
    strip: str = ""
    #: Buffers that old checkpoints carry and no graph reads: masks and frequencies.
    buffers: str = ""
    prompts: tuple[int, ...] = (5, 40, 200)


VOCABULARY = 67
CONTEXT = 256

#: Where the defaults of a family say otherwise, the case does.
SMALL: Config = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def case(name: str, model_type: str, config: Config, *, base: Config = SMALL, weights: str = "", **rest) -> Case:
    return Case(name, {"model_type": model_type, **base, **config}, weights or name, **rest)


def factors(count: int, first: float, last: float) -> list[float]:
    """Per pair of a rotation, growing as those of published models do."""
    return [round(first * (last / first) ** (pair / (count - 1)), 4) for pair in range(count)]


SINGLE: Config = {"num_attention_heads": 2, "num_key_value_heads": 1}
GROUPED: Config = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}


def llamas() -> list[Case]:
    shared = {**GROUPED, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu"}
    scalings: dict[str, Config | None] = {
        "default": None,
        "linear": {"type": "linear", "factor": 4.0},
        # Within max_position_embeddings nothing is scaled; beyond, by how long the text is.
        "dynamic": {"type": "dynamic", "factor": 2.0},
        "llama3": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        "yarn-explicit": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 64,
            "attention_factor": 1.3,
            "beta_fast": 16,
            "beta_slow": 2,
        },
    }
    return [
        *(
            case(f"llama-{name}", "llama", {**shared, "rope_scaling": scaling}, weights="llama")
            for name, scaling in scalings.items()
        ),
        case(
            "llama-8-biases-tied",
            "llama",
            {
                "hidden_size": 40,
                "intermediate_size": 44,
                "num_attention_heads": 5,
                "attention_bias": True,
                "mlp_bias": True,
                "tie_word_embeddings": True,
                "rope_theta": 500000.0,
                "eos_token_id": [2, 66],
            },
            dtype="float16",
        ),
        case(
            "llama-24",
            "llama",
            {"hidden_size": 48, "intermediate_size": 40, "num_attention_heads": 2, "rope_theta": 1000.0},
        ),
    ]


def mistrals_and_qwens() -> list[Case]:
    return [
        case("mistral-window", "mistral", {**GROUPED, "sliding_window": 16, "rope_theta": 10000.0}),
        case(
            "mistral-64",
            "mistral",
            {**SINGLE, "head_dim": 64, "num_hidden_layers": 1, "sliding_window": None},
            dtype="float32",
        ),
        case(
            "qwen2",
            "qwen2",
            {
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "intermediate_size": 44,
                "tie_word_embeddings": True,
                "rope_theta": 1000000.0,
                "use_sliding_window": False,
                "sliding_window": 16,
                "max_window_layers": 1,
            },
        ),
        case(
            "qwen2-sliding",
            "qwen2",
            {
                **SINGLE,
                "num_hidden_layers": 3,
                "intermediate_size": 32,
                "use_sliding_window": True,
                "sliding_window": 16,
                "max_window_layers": 1,
            },
        ),
        case(
            "qwen3",
            "qwen3",
            {**GROUPED, "tie_word_embeddings": True, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6},
        ),
        case(
            "qwen3-80",
            "qwen3",
            {
                **SINGLE,
                "head_dim": 80,
                "num_hidden_layers": 1,
                "intermediate_size": 32,
                "attention_bias": True,
            },
        ),
    ]


def gemmas() -> list[Case]:
    gated = {**SINGLE, "rms_norm_eps": 1e-6}
    two = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    return [
        # "gelu" is what the first files said and tanh is what was meant.
        case("gemma", "gemma", {**gated, **two, "head_dim": 32, "hidden_act": "gelu"}),
        case(
            "gemma2",
            "gemma2",
            {
                **gated,
                **two,
                "head_dim": 16,
                "num_hidden_layers": 3,
                "intermediate_size": 44,
                "query_pre_attn_scalar": 24,
                "attn_logit_softcapping": 4.0,
                "final_logit_softcapping": 6.0,
                "sliding_window": 16,
                "hidden_activation": "gelu_pytorch_tanh",
            },
        ),
        case(
            "gemma2-24-no-caps",
            "gemma2",
            {
                **gated,
                **two,
                "hidden_size": 48,
                "head_dim": 24,
                "intermediate_size": 32,
                "query_pre_attn_scalar": 24,
                "attn_logit_softcapping": None,
                "final_logit_softcapping": None,
                "sliding_window": 64,
            },
        ),
        # As Gemma 3 1B is written: a pattern of six, no list of layers, two bases.
        case(
            "gemma3",
            "gemma3_text",
            {
                **gated,
                **two,
                "head_dim": 16,
                "num_hidden_layers": 7,
                "intermediate_size": 32,
                "query_pre_attn_scalar": 20,
                "sliding_window": 16,
                "sliding_window_pattern": 6,
                "rope_theta": 1000000.0,
                "rope_local_base_freq": 10000.0,
            },
        ),
        case(
            "gemma3-linear",
            "gemma3_text",
            {
                **gated,
                **two,
                "head_dim": 16,
                "num_hidden_layers": 3,
                "query_pre_attn_scalar": 16,
                "sliding_window": 64,
                "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                "rope_theta": 1000000.0,
                "rope_local_base_freq": 10000.0,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            },
        ),
    ]


def phis() -> list[Case]:
    long = {"type": "longrope", "short_factor": factors(8, 1.0, 1.6), "long_factor": factors(8, 1.1, 24.0)}
    return [
        # Phi-3-mini-4k: heads of 96 and a window.
        case(
            "phi3-96-window",
            "phi3",
            {
                "pad_token_id": 0,
                "head_dim": 96,
                "num_attention_heads": 1,
                "num_key_value_heads": 1,
                "intermediate_size": 32,
                "sliding_window": 64,
                "rope_scaling": None,
            },
        ),
        # The short table up to 64 tokens, the long one beyond.
        case(
            "phi3-longrope",
            "phi3",
            {
                "pad_token_id": 0,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "original_max_position_embeddings": 64,
                "rope_scaling": long,
            },
        ),
        # Phi-4-mini: three quarters of a head rotate, tied, grouped.
        case(
            "phi3-partial",
            "phi3",
            {
                "pad_token_id": 0,
                "hidden_size": 64,
                **SINGLE,
                "intermediate_size": 32,
                "partial_rotary_factor": 0.75,
                "original_max_position_embeddings": 64,
                "tie_word_embeddings": True,
                "rope_scaling": {
                    "type": "longrope",
                    "short_factor": factors(12, 1.0, 1.2),
                    "long_factor": factors(12, 1.0, 40.0),
                },
            },
        ),
        case(
            "phi-80",
            "phi",
            {
                "head_dim": 80,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 44,
                "partial_rotary_factor": 0.4,
            },
        ),
        case(
            "phi",
            "phi",
            {"num_attention_heads": 2, "num_key_value_heads": None, "partial_rotary_factor": 0.5, "hidden_act": "gelu_new"},
        ),
    ]


def gpts() -> list[Case]:
    first = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "eos_token_id": 2, "bos_token_id": 2}
    last = {"num_attention_heads": 2, "intermediate_size": 64, "tie_word_embeddings": False}
    return [
        case("gpt2", "gpt2", {"n_positions": 224, "n_inner": None}, base=first),
        # The names of the first GPT-2 files: no prefix, and the masks among the weights.
        case(
            "gpt2-bare",
            "gpt2",
            {"n_positions": 64, "n_ctx": 64, "n_embd": 40, "n_head": 2, "n_inner": 48},
            base=first,
            strip="transformer.",
            buffers="gpt2",
            prompts=(5, 40),
        ),
        case("openai-gpt", "openai-gpt", {"n_positions": 224, "afn": "gelu"}, base=first),
        case("gpt-neox-parallel", "gpt_neox", {**last, "hidden_size": 64, "rotary_pct": 0.5, "rotary_emb_base": 10000}),
        case(
            "gpt-neox-sequential",
            "gpt_neox",
            {**last, "num_attention_heads": 4, "rotary_pct": 0.25, "rotary_emb_base": 10000, "use_parallel_residual": False},
            buffers="gpt_neox",
        ),
    ]


def others() -> list[Case]:
    return [
        case(
            "smollm3",
            "smollm3",
            {
                **SINGLE,
                "num_hidden_layers": 5,
                "intermediate_size": 32,
                "no_rope_layer_interval": 4,
                "no_rope_layers": [1, 1, 1, 0, 1],
                "tie_word_embeddings": True,
                "rope_theta": 5000000.0,
                "pad_token_id": 0,
            },
        ),
        case(
            "olmo2",
            "olmo2",
            {"num_attention_heads": 4, "num_key_value_heads": 2, "rope_theta": 500000.0, "pad_token_id": 0},
        ),
        case(
            "granite",
            "granite",
            {
                **SINGLE,
                "tie_word_embeddings": True,
                "embedding_multiplier": 5.0,
                "attention_multiplier": 0.4,
                "residual_multiplier": 0.6,
                "logits_scaling": 3.0,
                "rope_theta": 10000.0,
            },
        ),
        # As the 1.6B: biases on q, k and v.
        case(
            "stablelm",
            "stablelm",
            {
                "hidden_size": 64,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "use_qkv_bias": True,
                "partial_rotary_factor": 0.25,
                "intermediate_size": 48,
                "num_hidden_layers": 1,
            },
        ),
        # As the 3B: a quarter of a head is no multiple of 16.
        case(
            "stablelm-40",
            "stablelm",
            {
                "hidden_size": 80,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "use_qkv_bias": False,
                "partial_rotary_factor": 0.25,
                "intermediate_size": 32,
                "num_hidden_layers": 1,
            },
        ),
        # As the 12B: norms of each head, both branches from one norm.
        case(
            "stablelm-parallel",
            "stablelm",
            {
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "qk_layernorm": True,
                "use_parallel_residual": True,
                "partial_rotary_factor": 0.5,
            },
        ),
    ]


def cases() -> list[Case]:
    return [*llamas(), *mistrals_and_qwens(), *gemmas(), *phis(), *gpts(), *others()]
