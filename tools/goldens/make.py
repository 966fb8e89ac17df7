"""Makes the goldens: small checkpoints, and what mergekit itself makes of them.

    python3 -m venv env && env/bin/pip install mergekit && env/bin/python tools/goldens/make.py

Writes e2e/fixtures/goldens/: models/NAME/ (inputs), cases/NAME/recipe.yml with mergekit's output beside it, and
manifest.json with the versions that made them. The product's tests read them; nothing else here runs Python. The
checkpoints are seeded random numbers in the shape of a tiny Llama, chosen so that lengths are odd, some tensors are
frozen, one is changed by one model only, and values are subnormal in 16 bits here and there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import tempfile
from pathlib import Path

import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file

REPOSITORY = Path(__file__).resolve().parents[2]

HIDDEN, HEADS, HEAD, INTERMEDIATE, VOCABULARY, LAYERS = 15, 3, 6, 21, 37, 4

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "head_dim": HEAD,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": False,
}

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
TORCH_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}

#: Nobody changed these; only the second model changed the last one.
FROZEN = {"model.norm.weight", "model.layers.2.self_attn.k_proj.weight"}
CHANGED_BY_ONE = "model.layers.1.mlp.down_proj.weight"


def shapes() -> dict[str, tuple[int, ...]]:
    out: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        out[prefix + "input_layernorm.weight"] = (HIDDEN,)
        out[prefix + "self_attn.q_proj.weight"] = (HEADS * HEAD, HIDDEN)
        out[prefix + "self_attn.k_proj.weight"] = (HEAD, HIDDEN)
        out[prefix + "self_attn.v_proj.weight"] = (HEAD, HIDDEN)
        out[prefix + "self_attn.o_proj.weight"] = (HIDDEN, HEADS * HEAD)
        out[prefix + "post_attention_layernorm.weight"] = (HIDDEN,)
        out[prefix + "mlp.gate_proj.weight"] = (INTERMEDIATE, HIDDEN)
        out[prefix + "mlp.up_proj.weight"] = (INTERMEDIATE, HIDDEN)
        out[prefix + "mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
    out["model.norm.weight"] = (HIDDEN,)
    out["lm_head.weight"] = (VOCABULARY, HIDDEN)
    return out


def tensors(model: int, seed: int) -> dict[str, torch.Tensor]:
    """Float32 values of the base (0) or of a fine-tune (1, 2, ...)."""
    base_random = torch.Generator().manual_seed(seed)
    own_random = torch.Generator().manual_seed(seed + 1000 * model)
    out = {}
    for name, shape in shapes().items():
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


def write_model(folder: Path, model: int, dtype: torch.dtype, seed: int) -> None:
    folder.mkdir(parents=True)
    save_file(
        {name: values.to(dtype).contiguous() for name, values in tensors(model, seed).items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = {**CONFIG, "torch_dtype": TORCH_NAMES[dtype]}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def model(name: str, weight: object) -> dict:
    return {"model": name, "parameters": {"weight": weight}}


def cases() -> dict[str, dict]:
    """Recipes by name. mergekit calculates in float32 and rounds once where `dtype` and `out_dtype` say so."""
    f32 = {"dtype": "float32"}
    bf16 = {"dtype": "float32", "out_dtype": "bfloat16"}
    f16 = {"dtype": "float32", "out_dtype": "float16"}
    filters = [
        {"filter": "self_attn", "value": [0.0, 0.5, 1.0]},
        {"filter": "mlp.down", "value": 0.35},
        {"value": 0.8},
    ]
    return {
        "linear-f32": {
            "merge_method": "linear",
            "models": [model("f32-1", 0.3), model("f32-2", 0.9), model("f32-0", 0.2)],
            **f32,
        },
        "linear-raw-bf16": {
            "merge_method": "linear",
            "models": [model("bf16-1", 0.6), model("bf16-2", 0.7)],
            "parameters": {"normalize": False},
            **bf16,
        },
        "linear-gradient-f32": {
            "merge_method": "linear",
            "models": [model("f32-1", [0.1, 0.9, 0.4]), model("f32-2", [1.0, 0.2])],
            **f32,
        },
        "linear-filters-f16": {
            "merge_method": "linear",
            "models": [model("f16-1", filters), model("f16-2", 0.5)],
            **f16,
        },
        "linear-mixed-f32": {
            "merge_method": "linear",
            "models": [model("f32-1", 0.25), model("bf16-2", 0.5), model("f16-1", 0.25)],
            **f32,
        },
        "task-f32": {
            "merge_method": "task_arithmetic",
            "base_model": "f32-0",
            "models": [model("f32-1", 0.8), model("f32-2", 0.7)],
            **f32,
        },
        "task-lambda-bf16": {
            "merge_method": "task_arithmetic",
            "base_model": "bf16-0",
            "models": [model("bf16-1", 1.0), model("bf16-2", 1.0)],
            "parameters": {"lambda": 0.6},
            **bf16,
        },
        "task-normalize-f16": {
            "merge_method": "task_arithmetic",
            "base_model": "f16-0",
            "models": [model("f16-1", 1.5), model("f16-2", 0.5)],
            "parameters": {"normalize": True, "lambda": 1.2},
            **f16,
        },
        "task-gradient-negative-f32": {
            "merge_method": "task_arithmetic",
            "base_model": "f32-0",
            "models": [model("f32-1", [0.2, 1.0]), model("f32-2", -0.5)],
            "parameters": {"lambda": [{"filter": "mlp", "value": 0.5}, {"value": 1.0}]},
            **f32,
        },
        "task-filters-bf16": {
            "merge_method": "task_arithmetic",
            "base_model": "bf16-0",
            "models": [model("bf16-1", filters), model("bf16-2", [{"filter": "lm_head", "value": 0.0}, {"value": 0.9}])],
            "parameters": {"normalize": True},
            **bf16,
        },
        "task-zero-sum-f32": {
            "merge_method": "task_arithmetic",
            "base_model": "f32-0",
            "models": [model("f32-1", 1.0), model("f32-2", -1.0)],
            "parameters": {"normalize": True},
            **f32,
        },
    }


def run(recipe: dict, models: Path, output: Path) -> None:
    """Runs mergekit on a recipe whose model names are folders of `models`."""

    def place(value: object) -> object:
        if isinstance(value, dict):
            return {key: str(models / v) if key in ("model", "base_model") else place(v) for key, v in value.items()}
        return [place(item) for item in value] if isinstance(value, list) else value

    options = MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True, device="cpu", random_seed=0)
    run_merge(MergeConfiguration.model_validate(place(recipe)), str(output), options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "e2e" / "fixtures" / "goldens")
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    for word, dtype in DTYPES.items():
        for index in range(3):
            write_model(out / "models" / f"{word}-{index}", index, dtype, seed=20261121)
    for name, recipe in cases().items():
        folder = out / "cases" / name
        folder.mkdir(parents=True)
        # Paths in a recipe are relative to its own folder.
        text = yaml.safe_dump(recipe, sort_keys=False)
        for word in DTYPES:
            for index in range(3):
                text = text.replace(f": {word}-{index}\n", f": ../../models/{word}-{index}\n")
        (folder / "recipe.yml").write_text(text)
        with tempfile.TemporaryDirectory() as temporary:
            run(recipe, out / "models", Path(temporary))
            merged: dict[str, torch.Tensor] = {}
            for file in sorted(Path(temporary).glob("*.safetensors")):
                merged |= load_file(file)
        save_file(merged, folder / "expected.safetensors", metadata={"format": "pt"})
        print(name, {str(tensor.dtype) for tensor in merged.values()}, flush=True)
    manifest = {
        "about": "Made by tools/goldens/make.py: mergekit's own results, to which Fusewright is held.",
        "versions": {name: importlib.metadata.version(name) for name in ("mergekit", "torch", "transformers", "safetensors")},
        "cases": sorted(cases()),
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {out}")


if __name__ == "__main__":
    main()
