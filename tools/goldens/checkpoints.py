"""The inputs of the goldens: small seeded checkpoints in families. Not the recipes (recipes.py).

plain  a tiny Llama with odd lengths, frozen tensors, one tensor changed by one model only, subnormals in 16 bits
wide   a tiny Llama whose tensors all have more than 100 elements and all change, a base and three fine-tunes
tall   plain's first fine-tune with three more rows of embeddings
tied   plain's models with `tie_word_embeddings`, and so without an lm_head
odd    no architecture at all: scalars, single elements, zero vectors, antiparallel and parallel models, faint changes

In `wide` and `odd` no two changes of a tensor have the same size (zero aside), so that a threshold never falls between
equals: mergekit's sort is not stable there, and which of them it takes is chance.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
TORCH_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
SEED = 20261121

Shapes = dict[str, tuple[int, ...]]
Tensors = dict[str, torch.Tensor]


def llama_config(hidden: int, heads: int, head: int, intermediate: int, vocabulary: int, layers: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 1,
        "head_dim": head,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
    }


PLAIN = llama_config(15, 3, 6, 21, 37, 4)
WIDE = llama_config(104, 4, 2, 5, 13, 2)
TALL = {**PLAIN, "vocab_size": 40}
TIED = {**PLAIN, "tie_word_embeddings": True}
ODD = {**llama_config(8, 2, 4, 8, 5, 1), "architectures": ["LlamaForOddities"]}

#: Nobody changed these; only the second model changed the last one.
FROZEN = {"model.norm.weight", "model.layers.2.self_attn.k_proj.weight"}
CHANGED_BY_ONE = "model.layers.1.mlp.down_proj.weight"


def llama_shapes(config: dict) -> Shapes:
    hidden, intermediate = config["hidden_size"], config["intermediate_size"]
    head, vocabulary = config["head_dim"], config["vocab_size"]
    queries = config["num_attention_heads"] * head
    out: Shapes = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        out[prefix + "input_layernorm.weight"] = (hidden,)
        out[prefix + "self_attn.q_proj.weight"] = (queries, hidden)
        out[prefix + "self_attn.k_proj.weight"] = (head, hidden)
        out[prefix + "self_attn.v_proj.weight"] = (head, hidden)
        out[prefix + "self_attn.o_proj.weight"] = (hidden, queries)
        out[prefix + "post_attention_layernorm.weight"] = (hidden,)
        out[prefix + "mlp.gate_proj.weight"] = (intermediate, hidden)
        out[prefix + "mlp.up_proj.weight"] = (intermediate, hidden)
        out[prefix + "mlp.down_proj.weight"] = (hidden, intermediate)
    out["model.norm.weight"] = (hidden,)
    out["lm_head.weight"] = (vocabulary, hidden)
    return out


def plain_tensors(model: int, seed: int) -> Tensors:
    """Float32 values of the base (0) or of a fine-tune (1, 2, ...)."""
    base_random = torch.Generator().manual_seed(seed)
    own_random = torch.Generator().manual_seed(seed + 1000 * model)
    out = {}
    for name, shape in llama_shapes(PLAIN).items():
        values = torch.randn(shape, generator=base_random) * 0.05
        if name.endswith("norm.weight"):
            values = 1 + 2 * values
        # Small enough to be subnormal in F16, and zero in a few places.
        tiny = torch.rand(shape, generator=base_random)
        values = torch.where(tiny < 0.02, values * 1e-4, values)
        values = torch.where(tiny > 0.98, torch.zeros(()), values)
        size = 0.05 * 10 ** (-2 * torch.rand((), generator=own_random))
        change = torch.randn(shape, generator=own_random) * size
        change = torch.where(torch.rand(shape, generator=own_random) < 0.3, torch.zeros(()), change)
        is_changed = model > 0 and name not in FROZEN and (name != CHANGED_BY_ONE or model == 2)
        out[name] = values + change if is_changed else values
    return out


def wide_tensors(model: int, seed: int) -> Tensors:
    base_random = torch.Generator().manual_seed(seed)
    own_random = torch.Generator().manual_seed(seed + 1000 * model)
    out = {}
    for name, shape in llama_shapes(WIDE).items():
        values = torch.randn(shape, generator=base_random) * 0.05
        if name.endswith("norm.weight"):
            values = 1 + 2 * values
        size = 0.04 * 4 ** (-torch.rand((), generator=own_random))
        change = torch.randn(shape, generator=own_random) * size
        change = torch.where(torch.rand(shape, generator=own_random) < 0.15, torch.zeros(()), change)
        out[name] = values + change if model > 0 else values
    return out


def tall_tensors(model: int, seed: int) -> Tensors:
    out = plain_tensors(model, seed)
    own_random = torch.Generator().manual_seed(seed + 77)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        out[name] = torch.cat([out[name], torch.randn((3, PLAIN["hidden_size"]), generator=own_random) * 0.05])
    return out


def tied_tensors(model: int, seed: int) -> Tensors:
    return {name: values for name, values in plain_tensors(model, seed).items() if name != "lm_head.weight"}


ODD_SHAPES: Shapes = {
    "scalar": (),
    "one": (1,),
    "two": (2,),
    "single_column": (7, 1),
    "single_row": (1, 7),
    "vector": (37,),
    "matrix": (5, 9),
    "cube": (3, 5, 7),
    "kernel": (2, 3, 3, 2),
    "below_100": (9, 11),
    "above_100": (8, 13),
    "large": (16, 27),
    "frozen": (6, 7),
    "frozen_vector": (11,),
    "frozen_zero": (4, 5),
    "changed_by_one": (6, 7),
    "changed_by_two": (6, 7),
    "zero_base": (5, 8),
    "zero_model": (5, 8),
    "opposite_changes": (5, 8),
    "opposite_models": (5, 8),
    "parallel_models": (5, 8),
    "same_models": (5, 8),
    "faint": (9, 13),
    "odd_rows": (6, 5),
    "wide_range": (7, 9),
}


def grid(shape: tuple[int, ...], step: float, random: torch.Generator) -> torch.Tensor:
    """Multiples of `step`, so that sums and differences are exact."""
    return torch.randint(-40, 41, shape, generator=random) * step


def steps(shape: tuple[int, ...], step: float, random: torch.Generator) -> torch.Tensor:
    """`step` times 1, 2, 3, ... in any order, with either sign: no two of the same size."""
    count = torch.Size(shape).numel()
    signs = torch.randint(0, 2, (count,), generator=random) * 2 - 1
    return ((torch.randperm(count, generator=random) + 1) * signs * step).reshape(shape)


def odd_tensors(model: int, seed: int) -> Tensors:
    base_random = torch.Generator().manual_seed(seed + 5)
    shared_random = torch.Generator().manual_seed(seed + 6)
    own_random = torch.Generator().manual_seed(seed + 7 + 1000 * model)
    out = {}
    for name, shape in ODD_SHAPES.items():
        base = torch.randn(shape, generator=base_random) * 0.05
        change = torch.randn(shape, generator=own_random) * 0.02
        shared = torch.randn(shape, generator=shared_random) * 0.05
        coarse_base = grid(shape, 2**-9, base_random)
        coarse_change = steps(shape, 2**-11, shared_random)
        values = base if model == 0 else base + change
        if name.startswith("frozen"):
            values = torch.zeros(shape) if name == "frozen_zero" else base
        elif name == "two" and model > 0:
            # Far from parallel: of two numbers, arithmetic in float32 leaves little otherwise.
            values = base + 0.02 * torch.tensor([math.cos(1.2 * model), math.sin(1.2 * model)])
        elif name == "changed_by_one":
            values = base + change if model == 2 else base
        elif name == "changed_by_two":
            values = base + change if model in (1, 3) else base
        elif name == "zero_base":
            values = torch.zeros(shape) if model == 0 else change
        elif name == "zero_model":
            values = torch.zeros(shape) if model == 1 else values
        elif name == "opposite_changes":
            values = coarse_base + {0: 0, 1: 1, 2: -1, 3: 0.5}[model] * coarse_change
        elif name == "opposite_models":
            values = {0: base, 1: shared, 2: -shared, 3: base + change}[model]
        elif name == "parallel_models":
            values = {0: base, 1: shared, 2: 2 * shared, 3: 0.5 * shared}[model]
        elif name == "same_models":
            values = base if model == 0 else shared
        elif name == "faint":
            values = base if model == 0 else base + change * 1e-3
        elif name == "odd_rows":
            values = values.clone()
            values[0] = base[0]
            values[1] = 0 if model == 1 else values[1]
            values[2] = {0: base[2], 1: shared[2], 2: -shared[2], 3: values[2]}[model]
            values[3] = 0
            values[4] = base[4] if model == 0 else shared[4]
        elif name == "wide_range":
            values = base if model == 0 else base + change * 10 ** torch.linspace(-4, 1, 63).reshape(shape)
        out[f"{name}.weight"] = values
    return out


def distinct(values: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """Moves values by the least step of their dtype until no two differences from `base` have the same size."""
    words = {4: torch.int32, 2: torch.int16}[values.element_size()]
    flat = values.clone().reshape(-1)
    for _ in range(1000):
        size = (flat.float() - base.reshape(-1).float()).abs()
        order = torch.sort(size, stable=True).indices
        is_equal = torch.zeros(len(flat), dtype=torch.bool)
        is_equal[order[1:]] = (size[order][1:] == size[order][:-1]) & (size[order][1:] > 0)
        if not is_equal.any():
            return flat.reshape(values.shape)
        flat.view(words)[is_equal] += 1
    raise RuntimeError("could not make the changes distinct")


FAMILIES = {
    "plain": (plain_tensors, PLAIN),
    "wide": (wide_tensors, WIDE),
    "tall": (tall_tensors, TALL),
    "tied": (tied_tensors, TIED),
    "odd": (odd_tensors, ODD),
}

#: In these of `odd` the equality is the point.
KEPT_EQUAL = {"zero_model.weight", "opposite_changes.weight", "same_models.weight", "parallel_models.weight", "opposite_models.weight", "odd_rows.weight"}


def values_of(family: str, model: int, dtype: torch.dtype) -> Tensors:
    make, _ = FAMILIES[family]
    rounded = {name: values.to(dtype) for name, values in make(model, SEED).items()}
    if family in ("wide", "odd") and model > 0:
        base = {name: values.to(dtype) for name, values in make(0, SEED).items()}
        rounded = {
            name: values if name in KEPT_EQUAL else distinct(values, base[name]) for name, values in rounded.items()
        }
    return rounded


def write_model(folder: Path, family: str, model: int, dtype: torch.dtype) -> None:
    folder.mkdir(parents=True)
    save_file(
        {name: values.contiguous() for name, values in values_of(family, model, dtype).items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {**FAMILIES[family][1], "torch_dtype": TORCH_NAMES[dtype]}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_models(root: Path) -> None:
    for word, dtype in DTYPES.items():
        for model in range(3):
            write_model(root / f"{word}-{model}", "plain", model, dtype)
        for model in range(4):
            write_model(root / f"wide-{word}-{model}", "wide", model, dtype)
    for model in range(4):
        write_model(root / f"odd-f32-{model}", "odd", model, torch.float32)
    write_model(root / "tall-f32-1", "tall", 1, torch.float32)
    for model in range(2):
        write_model(root / f"tied-bf16-{model}", "tied", model, torch.bfloat16)
