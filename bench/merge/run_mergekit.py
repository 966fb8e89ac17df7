"""Runs one recipe through mergekit as its own command line does, and prints what it took as one line of JSON.

    python run_mergekit.py RECIPE OUTPUT

Started by the bench; needs mergekit and nothing else.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time

import mergekit.architecture.base
import torch
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions

# Some versions of transformers name `torch` in annotations without importing it, and pydantic then cannot resolve them.
for _class in (
    mergekit.architecture.base.ConfiguredModuleArchitecture,
    mergekit.architecture.base.ConfiguredModelArchitecture,
):
    _class.model_rebuild(force=True, _types_namespace={**vars(mergekit.architecture.base), "torch": torch})


def processor_seconds() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    recipe, output = sys.argv[1:]
    with open(recipe, encoding="utf-8") as file:
        configuration = MergeConfiguration.model_validate(yaml.safe_load(file))
    idle = peak_bytes()
    user, system = processor_seconds()
    start = time.perf_counter()
    run_merge(configuration, output, MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True, random_seed=0))
    wall = time.perf_counter() - start
    user_after, system_after = processor_seconds()
    report = {
        "wallSeconds": wall,
        "userSeconds": user_after - user,
        "systemSeconds": system_after - system,
        "peakBytes": peak_bytes(),
        "idleBytes": idle,
        "versions": {name: importlib.metadata.version(name) for name in ("mergekit", "torch", "transformers")},
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
