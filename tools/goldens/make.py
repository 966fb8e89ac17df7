"""Makes the goldens: small checkpoints, and what mergekit itself makes of them.

    python3 -m venv env && env/bin/pip install mergekit==0.1.4 && env/bin/python tools/goldens/make.py

Writes e2e/fixtures/goldens/:
  models/NAME/            the inputs (checkpoints.py says what they are)
  cases/NAME/             recipe.yml (recipes.py), and mergekit's output beside it as expected.safetensors; where it
                          built a tokenizer, its tokens as expected-vocabulary.json
  cases-with-masks/NAME/  the same of methods that drop at random, and masks.safetensors: what mergekit kept, as
                          K/TENSOR of zeros and ones for the recipe's model K
  manifest.json           versions; what mergekit failed at, in its own words; where Fusewright means to differ, and why

The product's tests read them; nothing else here runs Python. `--only NAME …` makes some cases again and leaves the rest
(for methods that are in a later mergekit only, with that mergekit).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import mergekit.architecture.base
import torch
import yaml
from checkpoints import ODD_SHAPES, write_models
from differences import DIFFERENCES
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.merge_methods import generalized_task_arithmetic as task_arithmetic
from mergekit import merge_methods
from mergekit.options import MergeOptions
from recipes import cases, masked_cases
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from vocabularies import write_vocabulary_model

# mergekit adds models up in the order of a set, which follows Python's seed of hashes.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL_KEYS = ("model", "base_model", "source", "tokenizer_source")
WORDS = ("union", "base")

# Some versions of transformers name `torch` in annotations without importing it, and pydantic then cannot resolve them.
for _class in (
    mergekit.architecture.base.ConfiguredModuleArchitecture,
    mergekit.architecture.base.ConfiguredModelArchitecture,
):
    _class.model_rebuild(force=True, _types_namespace={**vars(mergekit.architecture.base), "torch": torch})


def is_model(key: str, value: object) -> bool:
    return key in MODEL_KEYS and isinstance(value, str) and value not in WORDS


def placed(value: object, root: str) -> object:
    """The recipe with its models' names as paths under `root`."""
    if isinstance(value, dict):
        return {
            key: f"{root}/{item}" if is_model(key, item) else placed(item, root)
            for key, item in value.items()
        }
    return [placed(item, root) for item in value] if isinstance(value, list) else value


def run(recipe: dict, models: Path, others: dict[str, str] | None = None) -> dict[str, torch.Tensor]:
    """mergekit's output for a recipe whose model names are folders of `models`; what it built of tokenizers in `others`."""
    options = MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True, device="cpu", random_seed=0)
    with tempfile.TemporaryDirectory() as temporary:
        run_merge(MergeConfiguration.model_validate(placed(recipe, str(models))), temporary, options)
        merged: dict[str, torch.Tensor] = {}
        for file in sorted(Path(temporary).glob("*.safetensors")):
            merged |= load_file(file)
        if others is not None and (Path(temporary) / "tokenizer.json").exists():
            vocabulary = Tokenizer.from_file(f"{temporary}/tokenizer.json").get_vocab()
            ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
            config = json.loads((Path(temporary) / "config.json").read_text())
            others["expected-vocabulary.json"] = json.dumps({"vocab_size": config["vocab_size"], "tokens": ordered})
        return merged


def names_in(value: object) -> set[str]:
    """Every model that a recipe names."""
    if isinstance(value, dict):
        own = {item for key, item in value.items() if is_model(key, item)}
        return own.union(*(names_in(item) for item in value.values()))
    return set().union(*(names_in(item) for item in value)) if isinstance(value, list) else set()


def run_parts(recipe: dict, models: Path, tensors: list[str]) -> dict[str, torch.Tensor]:
    """mergekit's output where the checkpoints have nothing but `tensors`."""
    with tempfile.TemporaryDirectory() as temporary:
        for name in names_in(recipe):
            folder = Path(temporary) / name
            folder.mkdir()
            shutil.copy(models / name / "config.json", folder)
            every = load_file(models / name / "model.safetensors")
            save_file({tensor: every[tensor] for tensor in tensors}, folder / "model.safetensors", {"format": "pt"})
        return run(recipe, Path(temporary))


def is_known(method: str) -> bool:
    """Whether this mergekit has the method."""
    known = merge_methods if hasattr(merge_methods, "get") else merge_methods.registry
    try:
        known.get(method)
    except RuntimeError:
        return False
    return True


def reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def run_or_explain(recipe: dict, models: Path, others: dict[str, str]) -> tuple[dict[str, torch.Tensor], dict[str, str] | str]:
    """mergekit's output, and what it failed at: nothing, the whole merge, or by tensor for checkpoints without layers."""
    try:
        return sound(run(recipe, models, others), models, recipe, {})
    except Exception as error:  # noqa: BLE001 - whatever mergekit throws is what is recorded
        if not all(name.startswith("odd-") for name in names_in(recipe)):
            return {}, reason(error)
    failures = {}
    every = [f"{name}.weight" for name in ODD_SHAPES]
    for tensor in every:
        try:
            run_parts(recipe, models, [tensor])
        except Exception as error:  # noqa: BLE001
            failures[tensor] = reason(error)
    others = run_parts(recipe, models, [tensor for tensor in every if tensor not in failures])
    return sound(others, models, recipe, failures)


def sound(
    tensors: dict[str, torch.Tensor], models: Path, recipe: dict, failures: dict[str, str]
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Takes out what came out as NaN, infinity, in another shape or (divided by nearly zero) out of all bounds."""
    faulty = {}
    inputs = load_file(models / sorted(names_in(recipe))[0] / "model.safetensors")
    is_resized = any(name.startswith(("tall-", "vocabulary-")) for name in names_in(recipe))
    for name, tensor in tensors.items():
        if "slices" not in recipe and not is_resized and tensor.shape != inputs[name].shape:
            faulty[name] = f"the result's shape is {list(tensor.shape)}"
            continue
        if not tensor.isfinite().all():
            faulty[name] = "NaN or infinity in the result"
        elif tensor.abs().max() > 100:
            faulty[name] = f"the result grows to {tensor.abs().max().item():.3g}"
    return {name: tensor for name, tensor in tensors.items() if name not in faulty}, {**failures, **faulty}


@contextmanager
def recorded_masks(recipe: dict, models: Path) -> Iterator[dict[str, torch.Tensor]]:
    """While it lasts, what mergekit draws is kept, by model number and tensor."""
    masks: dict[str, torch.Tensor] = {}
    places = [str(models / entry["model"]) for entry in recipe["models"]]
    waiting: list[str] = []
    get_task_vectors, sparsify, bernoulli = task_arithmetic.get_task_vectors, task_arithmetic.sparsify, torch.bernoulli
    current: list[str] = []

    def get_and_note(weight_info, base_model, tensors, tensor_parameters):
        vectors, base = get_task_vectors(weight_info, base_model, tensors, tensor_parameters=tensor_parameters)
        waiting[:] = [f"{places.index(str(one['model'].model.path))}/{weight_info.name}" for one in vectors]
        return vectors, base

    def sparsify_and_note(tensor, **how):
        current[:] = [waiting.pop(0)]
        masks[current[0]] = torch.ones(tensor.shape, dtype=torch.float16)
        return sparsify(tensor, **how)

    def draw_and_note(probabilities, *rest, **more):
        drawn = bernoulli(probabilities, *rest, **more)
        masks[current[0]] = drawn.reshape(masks[current[0]].shape).to(torch.float16)
        return drawn

    task_arithmetic.get_task_vectors = get_and_note
    task_arithmetic.sparsify = sparsify_and_note
    torch.bernoulli = draw_and_note
    try:
        yield masks
    finally:
        task_arithmetic.get_task_vectors, task_arithmetic.sparsify, torch.bernoulli = get_task_vectors, sparsify, bernoulli


def write_case(folder: Path, recipe: dict, tensors: dict[str, torch.Tensor]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Paths in a recipe are relative to its own folder.
    text = yaml.safe_dump(placed(recipe, "../../models"), sort_keys=False, default_flow_style=None, width=100)
    (folder / "recipe.yml").write_text(text)
    save_file(tensors, folder / "expected.safetensors", metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "e2e" / "fixtures" / "goldens")
    parser.add_argument("--only", nargs="+", help="beginnings of the names of the cases to make")
    arguments = parser.parse_args()
    out: Path = arguments.out
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if arguments.only is None:
        shutil.rmtree(out, ignore_errors=True)
        write_models(out / "models")
        for model in range(3):
            write_vocabulary_model(out / "models" / f"vocabulary-{model}", model)
    versions = {name: importlib.metadata.version(name) for name in ("mergekit", "torch", "transformers", "safetensors")}
    manifest_file = out / "manifest.json"
    old = json.loads(manifest_file.read_text()) if manifest_file.exists() else {}
    failures: dict = old.get("failures", {})
    made_by: dict = old.get("madeByAnother", {})

    for kind, recipes in (("cases", cases()), ("cases-with-masks", masked_cases())):
        for name, recipe in recipes.items():
            if arguments.only is not None and not name.startswith(tuple(arguments.only)):
                continue
            if not is_known(recipe["merge_method"]):
                print(name, f"is not in mergekit {versions['mergekit']}", flush=True)
                continue
            with recorded_masks(recipe, out / "models") if kind != "cases" else contextmanager(lambda: iter([{}]))() as masks:
                others: dict[str, str] = {}
                merged, failed = run_or_explain(recipe, out / "models", others)
            failures.pop(name, None)
            made_by.pop(name, None)
            if failed:
                failures[name] = failed
            if merged:
                write_case(out / kind / name, recipe, merged)
                if old and versions != old["versions"]:
                    made_by[name] = versions
            for file, text in others.items():
                (out / kind / name / file).write_text(text + "\n")
            if masks:
                save_file(masks, out / kind / name / "masks.safetensors", metadata={"format": "pt"})
            print(name, {str(tensor.dtype) for tensor in merged.values()}, failed or "", flush=True)

    def present(kind: str) -> list[str]:
        return sorted(path.parent.name for path in (out / kind).glob("*/recipe.yml"))

    manifest = {
        "about": "Made by tools/goldens/make.py: mergekit's own results, to which Fusewright is held.",
        "versions": old.get("versions", versions),
        "madeByAnother": dict(sorted(made_by.items())),
        "cases": present("cases"),
        "casesWithMasks": present("cases-with-masks"),
        "failures": dict(sorted(failures.items())),
        "differences": DIFFERENCES,
    }
    manifest_file.write_text(json.dumps(manifest, indent=2) + "\n")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {out}")


if __name__ == "__main__":
    main()
