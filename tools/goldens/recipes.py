"""The recipes of the goldens, by name. mergekit calculates in float32 and rounds once where `out_dtype` says so.

A case's model names are folders of `models/`. Names that begin with a method's name are that method's; `slices-`,
`tall-`, `tied-` and `tokenizer-` are about what goes in rather than about the method.
"""

from __future__ import annotations

F32 = {"dtype": "float32"}
BF16 = {"dtype": "float32", "out_dtype": "bfloat16"}
F16 = {"dtype": "float32", "out_dtype": "float16"}


def model(name: str, weight: object = None, **others: object) -> dict:
    parameters = {**({} if weight is None else {"weight": weight}), **others}
    return {"model": name, **({"parameters": parameters} if parameters else {})}


def recipe(method: str, models: list[dict], dtypes: dict, base: str | None = None, **parameters: object) -> dict:
    out: dict = {"merge_method": method}
    if base is not None:
        out["base_model"] = base
    out["models"] = models
    if parameters:
        out["parameters"] = parameters
    return {**out, **dtypes}


def three(family: str, weights: list, **each: list) -> list[dict]:
    """The family's three fine-tunes with a weight each, and one value each of further parameters."""
    return [
        model(f"{family}-{k + 1}", weight, **{name: values[k] for name, values in each.items()})
        for k, weight in enumerate(weights)
    ]


FILTERS = [
    {"filter": "self_attn", "value": [0.0, 0.5, 1.0]},
    {"filter": "mlp.down", "value": 0.35},
    {"value": 0.8},
]
NONE = [None, None, None]


def sums() -> dict[str, dict]:
    return {
        "linear-f32": recipe("linear", [model("f32-1", 0.3), model("f32-2", 0.9), model("f32-0", 0.2)], F32),
        "linear-raw-bf16": recipe("linear", [model("bf16-1", 0.6), model("bf16-2", 0.7)], BF16, normalize=False),
        "linear-gradient-f32": recipe("linear", [model("f32-1", [0.1, 0.9, 0.4]), model("f32-2", [1.0, 0.2])], F32),
        "linear-filters-f16": recipe("linear", [model("f16-1", FILTERS), model("f16-2", 0.5)], F16),
        "linear-mixed-f32": recipe(
            "linear", [model("f32-1", 0.25), model("bf16-2", 0.5), model("f16-1", 0.25)], F32
        ),
        "linear-odd-f32": recipe("linear", three("odd-f32", [0.5, -0.2, 0.9]), F32),
        "task_arithmetic-f32": recipe("task_arithmetic", [model("f32-1", 0.8), model("f32-2", 0.7)], F32, "f32-0"),
        "task_arithmetic-lambda-bf16": recipe(
            "task_arithmetic", [model("bf16-1", 1.0), model("bf16-2", 1.0)], BF16, "bf16-0", **{"lambda": 0.6}
        ),
        "task_arithmetic-normalize-f16": recipe(
            "task_arithmetic",
            [model("f16-1", 1.5), model("f16-2", 0.5)],
            F16,
            "f16-0",
            normalize=True,
            **{"lambda": 1.2},
        ),
        "task_arithmetic-gradient-negative-f32": recipe(
            "task_arithmetic",
            [model("f32-1", [0.2, 1.0]), model("f32-2", -0.5)],
            F32,
            "f32-0",
            **{"lambda": [{"filter": "mlp", "value": 0.5}, {"value": 1.0}]},
        ),
        "task_arithmetic-filters-bf16": recipe(
            "task_arithmetic",
            [model("bf16-1", FILTERS), model("bf16-2", [{"filter": "lm_head", "value": 0.0}, {"value": 0.9}])],
            BF16,
            "bf16-0",
            normalize=True,
        ),
        "task_arithmetic-zero-sum-f32": recipe(
            "task_arithmetic", [model("f32-1", 1.0), model("f32-2", -1.0)], F32, "f32-0", normalize=True
        ),
        "task_arithmetic-odd-f32": recipe("task_arithmetic", three("odd-f32", [0.5, 0.5, -0.3]), F32, "odd-f32-0"),
    }


def spheres() -> dict[str, dict]:
    pair = [model("wide-f32-1"), model("wide-f32-2")]
    weighed = [model("wide-f32-1", 0.3), model("wide-f32-2", 0.9)]
    columns = [model("f32-1", 0.3), model("f32-2", 0.9)]
    odd = [model("odd-f32-1", 0.6), model("odd-f32-2", 0.4)]
    return {
        "slerp-f32": recipe("slerp", pair, F32, "wide-f32-1", t=0.3),
        "slerp-filters-bf16": recipe(
            "slerp", [model("wide-bf16-1"), model("wide-bf16-2")], BF16, "wide-bf16-1", t=FILTERS
        ),
        "slerp-plain-f16": recipe("slerp", [model("f16-0"), model("f16-1")], F16, "f16-0", t=0.6),
        "slerp-outside-f32": recipe("slerp", pair, F32, "wide-f32-2", t=1.4),
        "slerp-odd-f32": recipe("slerp", [model("odd-f32-1"), model("odd-f32-2")], F32, "odd-f32-1", t=0.3),
        "nuslerp-f32": recipe("nuslerp", weighed, F32),
        "nuslerp-rows-f32": recipe("nuslerp", weighed, F32, nuslerp_flatten=False),
        "nuslerp-columns-f32": recipe("nuslerp", columns, F32, nuslerp_flatten=False, nuslerp_row_wise=True),
        "nuslerp-base-f32": recipe("nuslerp", weighed, F32, "wide-f32-0"),
        "nuslerp-base-rows-bf16": recipe(
            "nuslerp",
            [model("wide-bf16-1", [0.1, 0.9]), model("wide-bf16-2", 0.5)],
            BF16,
            "wide-bf16-0",
            nuslerp_flatten=False,
        ),
        "nuslerp-base-columns-f16": recipe(
            "nuslerp",
            [model("wide-f16-1", 0.7), model("wide-f16-2", 0.5)],
            F16,
            "wide-f16-0",
            nuslerp_flatten=False,
            nuslerp_row_wise=True,
        ),
        "nuslerp-zero-sum-f32": recipe("nuslerp", [model("wide-f32-1", 0.5), model("wide-f32-2", -0.5)], F32),
        "nuslerp-odd-f32": recipe("nuslerp", odd, F32),
        "nuslerp-rows-odd-f32": recipe("nuslerp", odd, F32, nuslerp_flatten=False),
        "nuslerp-columns-odd-f32": recipe("nuslerp", odd, F32, nuslerp_flatten=False, nuslerp_row_wise=True),
        "nuslerp-base-odd-f32": recipe("nuslerp", odd, F32, "odd-f32-0"),
        "nuslerp-base-rows-odd-f32": recipe("nuslerp", odd, F32, "odd-f32-0", nuslerp_flatten=False),
        "multislerp-f32": recipe("multislerp", three("wide-f32", [0.5, 0.3, 0.9]), F32),
        "multislerp-base-f32": recipe("multislerp", three("wide-f32", [0.5, 0.3, 0.9]), F32, "wide-f32-0"),
        "multislerp-raw-bf16": recipe(
            "multislerp", three("wide-bf16", [0.7, 0.5, 0.4]), BF16, "wide-bf16-0", normalize_weights=False
        ),
        "multislerp-two-f32": recipe("multislerp", weighed, F32),
        "multislerp-odd-f32": recipe("multislerp", three("odd-f32", [0.5, 0.3, 0.9]), F32),
        "multislerp-base-odd-f32": recipe("multislerp", three("odd-f32", [0.5, 0.3, 0.9]), F32, "odd-f32-0"),
        "multislerp-two-base-odd-f32": recipe(
            "multislerp", [model("odd-f32-1", 0.5), model("odd-f32-2", 0.5)], F32, "odd-f32-0"
        ),
        "karcher-f32": recipe("karcher", three("wide-f32", NONE), F32),
        "karcher-short-bf16": recipe("karcher", three("wide-bf16", NONE), BF16, max_iter=2, tol=1e-3),
        "karcher-odd-f32": recipe("karcher", three("odd-f32", NONE), F32),
    }


def task_vectors() -> dict[str, dict]:
    weights = [1.0, 0.7, -0.4]
    densities = [0.4, 0.7, 0.3]
    cases = {
        "ties-f32": recipe("ties", three("wide-f32", weights, density=densities), F32, "wide-f32-0"),
        "ties-raw-f32": recipe(
            "ties",
            three("wide-f32", [0.6, 0.7, 0.5]),
            F32,
            "wide-f32-0",
            density=0.55,
            normalize=False,
            rescale=True,
            **{"lambda": 0.7},
        ),
        "ties-full-f32": recipe("ties", three("wide-f32", [1.0, 1.0, 1.0]), F32, "wide-f32-0", int8_mask=True),
        "ties-gradient-bf16": recipe(
            "ties",
            three("wide-bf16", [1.0, FILTERS, 0.5], density=[[0.3, 0.9], 0.5, 1.0]),
            BF16,
            "wide-bf16-0",
            rescale=True,
        ),
        "ties-f16": recipe("ties", three("wide-f16", [0.5, 0.5, 0.5]), F16, "wide-f16-0", density=0.5),
        "ties-plain-f32": recipe("ties", [model("f32-1", 1.0), model("f32-2", 0.6)], F32, "f32-0", density=0.5),
        "ties-odd-f32": recipe("ties", three("odd-f32", [1.0, 1.0, 0.5]), F32, "odd-f32-0", density=0.5),
        "ties-full-odd-f32": recipe("ties", three("odd-f32", [0.5, 0.5, 0.25]), F32, "odd-f32-0"),
        "sce-f32": recipe("sce", three("wide-f32", NONE), F32, "wide-f32-0"),
        "sce-topk-f32": recipe("sce", three("wide-f32", NONE), F32, "wide-f32-0", select_topk=0.3),
        "sce-topk-bf16": recipe("sce", three("wide-bf16", NONE), BF16, "wide-bf16-0", select_topk=[0.12, 0.6]),
        "sce-odd-f32": recipe("sce", three("odd-f32", NONE), F32, "odd-f32-0"),
        # mergekit does not know the last parameter, and does what it says.
        "sce-small-odd-f32": recipe("sce", three("odd-f32", NONE), F32, "odd-f32-0", equal_when_small=True),
        "sce-topk-odd-f32": recipe("sce", three("odd-f32", NONE), F32, "odd-f32-0", select_topk=0.4),
    }
    for name in ("breadcrumbs", "breadcrumbs_ties"):
        each = {"density": [0.5, 0.9, 0.25], "gamma": [0.05, 0.02, 0.1]}
        cases |= {
            f"{name}-f32": recipe(name, three("wide-f32", weights, **each), F32, "wide-f32-0"),
            f"{name}-rescale-bf16": recipe(
                name,
                three("wide-bf16", [0.8, 0.6, 0.5]),
                BF16,
                "wide-bf16-0",
                density=0.8,
                normalize=True,
                rescale=True,
                **{"lambda": 1.3},
            ),
            f"{name}-odd-f32": recipe(name, three("odd-f32", [1.0, 0.7, 0.5]), F32, "odd-f32-0", density=0.6),
        }
    cases["breadcrumbs-over-f32"] = recipe(
        "breadcrumbs", three("wide-f32", weights), F32, "wide-f32-0", density=0.97, gamma=0.2
    )
    return cases


def selective() -> dict[str, dict]:
    one = [model("wide-f32-1")]
    cases = {
        "model_stock-f32": recipe("model_stock", three("wide-f32", NONE), F32, "wide-f32-0"),
        "model_stock-rows-f32": recipe(
            "model_stock", three("wide-f32", NONE), F32, "wide-f32-0", filter_wise=True
        ),
        "model_stock-bf16": recipe(
            "model_stock", [model("wide-bf16-1"), model("wide-bf16-3")], BF16, "wide-bf16-0"
        ),
        "model_stock-odd-f32": recipe("model_stock", three("odd-f32", NONE), F32, "odd-f32-0"),
        "model_stock-rows-odd-f32": recipe(
            "model_stock", three("odd-f32", NONE), F32, "odd-f32-0", filter_wise=True
        ),
        # mergekit does not know the last parameter, and does what it says.
        "model_stock-floor-odd-f32": recipe(
            "model_stock", three("odd-f32", NONE), F32, "odd-f32-0", norm_floor=1e-6
        ),
        "model_stock-rows-floor-odd-f32": recipe(
            "model_stock", three("odd-f32", NONE), F32, "odd-f32-0", filter_wise=True, norm_floor=1e-6
        ),
        "arcee_fusion-f32": recipe("arcee_fusion", one, F32, "wide-f32-0"),
        "arcee_fusion-bf16": recipe("arcee_fusion", [model("wide-bf16-2")], BF16, "wide-bf16-0"),
        "arcee_fusion-odd-f32": recipe("arcee_fusion", [model("odd-f32-2")], F32, "odd-f32-0"),
        "nearswap-f32": recipe("nearswap", one, F32, "wide-f32-0", t=0.01),
        "nearswap-filters-bf16": recipe("nearswap", [model("wide-bf16-2")], BF16, "wide-bf16-0", t=[0.002, 0.05]),
        "nearswap-odd-f32": recipe("nearswap", [model("odd-f32-2")], F32, "odd-f32-0", t=0.004),
        "passthrough-f32": recipe("passthrough", [model("f32-1")], F32),
        "passthrough-scale-bf16": recipe("passthrough", [model("bf16-1", scale=FILTERS)], BF16),
        "passthrough-odd-f32": recipe("passthrough", [model("odd-f32-1", scale=-0.3)], F32),
    }
    for name in ("ram", "ramplus_tl"):
        own = {} if name == "ram" else {"r": 0.5, "alpha": 0.4}
        cases |= {
            f"{name}-f32": recipe(name, three("wide-f32", NONE), F32, "wide-f32-0"),
            f"{name}-epsilon-bf16": recipe(name, three("wide-bf16", NONE), BF16, "wide-bf16-0", epsilon=0.004, **own),
            f"{name}-plain-f32": recipe(name, [model("f32-1"), model("f32-2")], F32, "f32-0", **own),
        }
    return cases


def source(name: str, start: int, end: int, **parameters: object) -> dict:
    return {"model": name, "layer_range": [start, end], **({"parameters": parameters} if parameters else {})}


def vocabularies() -> dict[str, dict]:
    """Tokenizers that differ."""
    both = [model("vocabulary-1", 0.6), model("vocabulary-2", 0.3)]
    tokens = {
        "<|im_start|>": {"source": "vocabulary-1", "force": True},
        "cd": {"source": {"kind": "model_token", "model": "vocabulary-1", "token": "e"}},
        "<|new|>": {"source": {"kind": "model_token", "model": "vocabulary-0", "token_id": 3}},
    }
    task = recipe("task_arithmetic", both, F32, "vocabulary-0")
    average = recipe(
        "linear", [model("vocabulary-0", 0.5), model("vocabulary-1", 0.3), model("vocabulary-2", 0.2)], F32
    )
    return {
        "tokenizer-union-task_arithmetic-f32": {**task, "tokenizer_source": "union"},
        "tokenizer-base-task_arithmetic-f32": {**task, "tokenizer_source": "base"},
        "tokenizer-model-task_arithmetic-f32": {**task, "tokenizer_source": "vocabulary-1"},
        "tokenizer-union-linear-f32": {**average, "base_model": "vocabulary-0", "tokenizer": {"source": "union"}},
        "tokenizer-tokens-task_arithmetic-f32": {**task, "tokenizer": {"source": "union", "tokens": tokens}},
        "tokenizer-zero-task_arithmetic-f32": {
            **task,
            "tokenizer": {"source": "union", "tokens": {"ef": {"source": {"kind": "zero"}}}},
        },
        "tokenizer-padded-task_arithmetic-f32": {
            **task,
            "tokenizer": {"source": "union", "tokens": tokens, "pad_to_multiple_of": 8},
        },
    }


def shapes() -> dict[str, dict]:
    """Slices, embeddings of different height, tied embeddings."""
    return {
        "slices-passthrough-f32": {
            "merge_method": "passthrough",
            "slices": [
                {"sources": [source("f32-0", 0, 3)]},
                {"sources": [source("f32-1", 1, 4, scale=[{"filter": "o_proj", "value": 0.5}, {"value": 1.0}])]},
                {"sources": [source("f32-2", 3, 4)]},
            ],
            **F32,
        },
        "slices-slerp-bf16": {
            "merge_method": "slerp",
            "base_model": "bf16-1",
            "slices": [{"sources": [source("bf16-1", 0, 4), source("bf16-2", 0, 4)]}],
            "parameters": {
                "t": [
                    {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
                    {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]},
                    {"value": 0.5},
                ]
            },
            **BF16,
        },
        "slices-linear-f32": {
            "merge_method": "linear",
            "slices": [
                {"sources": [source("f32-0", 0, 2, weight=[0.1, 0.9]), source("f32-1", 0, 2, weight=0.5)]},
                {"sources": [source("f32-1", 2, 3, weight=[0.2, 0.8]), source("f32-2", 1, 2, weight=0.5)]},
                {"sources": [source("f32-0", 1, 4, weight=0.3), source("f32-2", 1, 4, weight=[0.1, 1.0])]},
            ],
            **F32,
        },
        "slices-task_arithmetic-f32": {
            "merge_method": "task_arithmetic",
            "base_model": "f32-0",
            "slices": [
                {"sources": [source("f32-0", 0, 3), source("f32-1", 0, 3, weight=[0.2, 1.0])]},
                {"sources": [source("f32-2", 1, 4, weight=0.6), source("f32-0", 1, 4)]},
            ],
            **F32,
        },
        "tied-linear-bf16": recipe("linear", [model("tied-bf16-0", 0.4), model("tied-bf16-1", 0.6)], BF16),
        "tall-linear-f32": recipe("linear", [model("f32-0", 0.4), model("tall-f32-1", 0.6)], F32),
        "tall-task_arithmetic-f32": recipe("task_arithmetic", [model("tall-f32-1", 0.8)], F32, "f32-0"),
        "tall-base-task_arithmetic-f32": recipe("task_arithmetic", [model("f32-2", 0.8)], F32, "tall-f32-1"),
    }


def cases() -> dict[str, dict]:
    return {**sums(), **spheres(), **task_vectors(), **selective(), **shapes(), **vocabularies()}


def masked_cases() -> dict[str, dict]:
    """Recipes of the random methods, whose masks are saved beside the results."""
    return {
        "dare_linear-f32": recipe(
            "dare_linear", three("wide-f32", [0.8, 0.5, -0.3], density=[0.5, 0.3, 0.8]), F32, "wide-f32-0"
        ),
        "dare_linear-raw-bf16": recipe(
            "dare_linear",
            three("wide-bf16", [0.8, 0.5, 0.4]),
            BF16,
            "wide-bf16-0",
            density=0.5,
            rescale=False,
            normalize=True,
        ),
        "dare_ties-f32": recipe(
            "dare_ties", three("wide-f32", [0.8, 0.5, 0.6], density=[0.5, 0.3, 1.0]), F32, "wide-f32-0"
        ),
        "della-f32": recipe(
            "della",
            three("wide-f32", [0.8, 0.5, 0.6], density=[0.5, 0.3, 0.7], epsilon=[0.1, 0.2, 0.15]),
            F32,
            "wide-f32-0",
            **{"lambda": 1.1},
        ),
        "della_linear-bf16": recipe(
            "della_linear", three("wide-bf16", [0.8, 0.5, 0.4]), BF16, "wide-bf16-0", density=0.4, epsilon=0.2
        ),
    }
