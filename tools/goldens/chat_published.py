"""Lists the tensors of published models, from their config.json alone: nothing is downloaded and no weight is made.

    env/bin/python tools/goldens/chat_published.py

Writes src/chat/test/goldens/published.jsonl, a line for each model: the fields of its config.json that a decoder reads, how
many parameters transformers gives it, and the names and shapes of its tensors outside the layers and in the first one.
A model whose layers have not all the same tensors is refused.
"""

from __future__ import annotations

import json
import re

import torch
import transformers
from chat import OUT
from transformers import AutoConfig, AutoModelForCausalLM

LLAMA3 = {
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


def sizes(vocabulary: int, hidden: int, inner: int, layers: int, heads: int, shared: int, context: int) -> dict:
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "max_position_embeddings": context,
    }


def without(config: dict, *keys: str) -> dict:
    return {key: value for key, value in config.items() if key not in keys}


def long_rope(pairs: int) -> dict:
    """With the counts of the published lists; the numbers themselves shape no tensor."""
    grown = [round(1 + pair / 4, 3) for pair in range(pairs)]
    return {"type": "longrope", "short_factor": [1.0] * pairs, "long_factor": grown}


MODELS: dict[str, dict] = {
    "Llama-3.2-1B": {
        "model_type": "llama",
        **sizes(128256, 2048, 8192, 16, 32, 8, 131072),
        "attention_bias": False,
        "head_dim": 64,
        "hidden_act": "silu",
        "mlp_bias": False,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": LLAMA3,
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
    },
    "Llama-2-7b": {
        "model_type": "llama",
        **sizes(32000, 4096, 11008, 32, 32, 32, 4096),
        "hidden_act": "silu",
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
    },
    "TinyLlama-1.1B": {
        "model_type": "llama",
        **sizes(32000, 2048, 5632, 22, 32, 4, 2048),
        "attention_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    },
    "SmolLM2-135M": {
        "model_type": "llama",
        **sizes(49152, 576, 1536, 30, 9, 3, 8192),
        "hidden_act": "silu",
        "is_llama_config": True,
        "mlp_bias": False,
        "rms_norm_eps": 1e-05,
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": 100000,
        "tie_word_embeddings": True,
    },
    "SmolLM3-3B": {
        "model_type": "smollm3",
        **sizes(128256, 2048, 11008, 36, 16, 4, 65536),
        "attention_bias": False,
        "hidden_act": "silu",
        "layer_types": ["full_attention"] * 36,
        "max_window_layers": 28,
        "mlp_bias": False,
        "no_rope_layer_interval": 4,
        "no_rope_layers": [1, 1, 1, 0] * 9,
        "pad_token_id": 128004,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 5000000.0,
        "sliding_window": None,
        "use_sliding_window": False,
    },
    "Mistral-7B-v0.1": {
        "model_type": "mistral",
        **sizes(32000, 4096, 14336, 32, 32, 8, 32768),
        "hidden_act": "silu",
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
    },
    "Mistral-7B-v0.3": {
        "model_type": "mistral",
        **sizes(32768, 4096, 14336, 32, 32, 8, 32768),
        "hidden_act": "silu",
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
    },
    "Qwen2.5-0.5B": {
        "model_type": "qwen2",
        **sizes(151936, 896, 4864, 24, 14, 2, 32768),
        "hidden_act": "silu",
        "max_window_layers": 24,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "use_mrope": False,
        "use_sliding_window": False,
    },
    "Qwen2.5-7B-Instruct": {
        "model_type": "qwen2",
        **sizes(152064, 3584, 18944, 28, 28, 4, 32768),
        "hidden_act": "silu",
        "max_window_layers": 28,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
    },
    "Qwen3-0.6B": {
        "model_type": "qwen3",
        **sizes(151936, 1024, 3072, 28, 16, 8, 40960),
        "attention_bias": False,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_window_layers": 28,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
    },
    "gemma-2b": {
        "model_type": "gemma",
        **sizes(256000, 2048, 16384, 18, 8, 1, 8192),
        "head_dim": 256,
        "hidden_act": "gelu",
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 10000.0,
    },
    "gemma-2-2b": {
        "model_type": "gemma2",
        **sizes(256000, 2304, 9216, 26, 8, 4, 8192),
        "attention_bias": False,
        "attn_logit_softcapping": 50.0,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": 30.0,
        "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
    },
    "gemma-3-270m": {
        "model_type": "gemma3_text",
        **sizes(262144, 640, 2048, 18, 4, 1, 32768),
        "_sliding_window_pattern": 6,
        "attention_bias": False,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 3,
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": 512,
        "use_bidirectional_attention": False,
    },
    "gemma-3-1b-it": {
        "model_type": "gemma3_text",
        **sizes(262144, 1152, 6912, 26, 4, 1, 32768),
        "attention_bias": False,
        "attn_logit_softcapping": None,
        "cache_implementation": "hybrid",
        "final_logit_softcapping": None,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
    },
    "Phi-3-mini-4k-instruct": {
        "model_type": "phi3",
        **sizes(32064, 3072, 8192, 32, 32, 32, 4096),
        "attention_bias": False,
        "hidden_act": "silu",
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "sliding_window": 2047,
        "tie_word_embeddings": False,
    },
    "Phi-3-mini-128k-instruct": {
        "model_type": "phi3",
        **sizes(32064, 3072, 8192, 32, 32, 32, 131072),
        "attention_bias": False,
        "hidden_act": "silu",
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05,
        "rope_scaling": long_rope(48),
        "rope_theta": 10000.0,
        "sliding_window": 262144,
        "tie_word_embeddings": False,
    },
    "Phi-4-mini-instruct": {
        "model_type": "phi3",
        **sizes(200064, 3072, 8192, 32, 24, 8, 131072),
        "attention_bias": False,
        "full_attn_mod": 1,
        "hidden_act": "silu",
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "mlp_bias": False,
        "original_max_position_embeddings": 4096,
        "pad_token_id": 199999,
        "partial_rotary_factor": 0.75,
        "rms_norm_eps": 1e-05,
        "rope_scaling": long_rope(48),
        "rope_theta": 10000.0,
        "sliding_window": 262144,
        "tie_word_embeddings": True,
    },
    "phi-2": {
        "model_type": "phi",
        **sizes(51200, 2560, 10240, 32, 32, 32, 2048),
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-05,
        "partial_rotary_factor": 0.4,
        "qk_layernorm": False,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    },
    "phi-1_5": {
        "model_type": "phi",
        **without(sizes(51200, 2048, 8192, 24, 32, 32, 2048), "num_key_value_heads"),
        "num_key_value_heads": None,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-05,
        "partial_rotary_factor": 0.5,
        "qk_layernorm": False,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    },
    "gpt2": {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "attn_pdrop": 0.1,
        "layer_norm_epsilon": 1e-05,
        "n_ctx": 1024,
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 12,
        "n_positions": 1024,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 50257,
    },
    "distilgpt2": {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "n_ctx": 1024,
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 6,
        "n_positions": 1024,
        "vocab_size": 50257,
    },
    "openai-gpt": {
        "model_type": "openai-gpt",
        "afn": "gelu",
        "layer_norm_epsilon": 1e-05,
        "n_ctx": 512,
        "n_embd": 768,
        "n_head": 12,
        "n_layer": 12,
        "n_positions": 512,
        "n_special": 0,
        "predict_special_tokens": True,
        "vocab_size": 40478,
    },
    "pythia-70m": {
        "model_type": "gpt_neox",
        **without(sizes(50304, 512, 2048, 6, 8, 8, 2048), "num_key_value_heads"),
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-05,
        "rotary_emb_base": 10000,
        "rotary_pct": 0.25,
        "tie_word_embeddings": False,
        "use_parallel_residual": True,
    },
    "OLMo-2-0425-1B": {
        "model_type": "olmo2",
        **sizes(100352, 2048, 8192, 16, 16, 16, 4096),
        "attention_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 500000,
        "tie_word_embeddings": False,
    },
    "granite-3.1-2b-instruct": {
        "model_type": "granite",
        **sizes(49155, 2048, 8192, 40, 32, 8, 131072),
        "attention_bias": False,
        "attention_multiplier": 0.015625,
        "embedding_multiplier": 12.0,
        "hidden_act": "silu",
        "logits_scaling": 8.0,
        "mlp_bias": False,
        "residual_multiplier": 0.22,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 5000000.0,
        "tie_word_embeddings": True,
    },
    "stablelm-2-1_6b": {
        "model_type": "stablelm",
        **sizes(100352, 2048, 5632, 24, 32, 32, 4096),
        "hidden_act": "silu",
        "layer_norm_eps": 1e-05,
        "partial_rotary_factor": 0.25,
        "rope_scaling": None,
        "rope_theta": 10000,
        "tie_word_embeddings": False,
        "use_qkv_bias": True,
    },
    "stablelm-3b-4e1t": {
        "model_type": "stablelm",
        **sizes(50304, 2560, 6912, 32, 32, 32, 4096),
        "hidden_act": "silu",
        "layer_norm_eps": 1e-05,
        "partial_rotary_factor": 0.25,
        "rope_theta": 10000,
        "tie_word_embeddings": False,
        "use_qkv_bias": False,
    },
    "stablelm-2-12b": {
        "model_type": "stablelm",
        **sizes(100352, 5120, 13824, 40, 32, 8, 4096),
        "hidden_act": "silu",
        "layer_norm_eps": 1e-05,
        "partial_rotary_factor": 0.25,
        "qk_layernorm": True,
        "rope_theta": 10000,
        "tie_word_embeddings": False,
        "use_parallel_residual": True,
        "use_qkv_bias": False,
    },
}

LAYER = re.compile(r"^(.*?\b(?:layers|h))\.(\d+)\.(.*)$")


def line(name: str, config: dict) -> dict:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**json.loads(json.dumps(config))))
    outside: dict[str, list[int]] = {}
    layers: dict[str, dict[str, list[int]]] = {}
    prefix = ""
    # A tensor that is two things at once (a tied head) is listed once, as it is saved.
    for tensor, parameter in model.named_parameters():
        found = LAYER.match(tensor)
        if not found:
            outside[tensor] = list(parameter.shape)
            continue
        prefix = found[1]
        layers.setdefault(found[2], {})[found[3]] = list(parameter.shape)
    first = layers["0"]
    if any(layer != first for layer in layers.values()):
        raise SystemExit(f"the layers of {name} differ")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rest = {"parameters": parameters, "outside": outside, "prefix": prefix, "layers": len(layers), "layer": first}
    return {"name": name, "config": config, **rest}


def main() -> None:
    transformers.logging.set_verbosity_error()
    lines = [line(name, config) for name, config in MODELS.items()]
    (OUT / "published.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    for entry in lines:
        print(f"{entry['name']:28} {entry['parameters']:>14,}")


if __name__ == "__main__":
    main()
