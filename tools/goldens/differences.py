"""Where Fusewright means to come to another result than mergekit, and why. The tests hold it to differing just there."""

from __future__ import annotations

from checkpoints import ODD_SHAPES


def difference(cases: list[str], tensors: list[str], reason: str) -> dict:
    """`cases`: their names; `tensors`: where the results differ, of any tensors of which it might be said."""
    return {"cases": cases, "tensors": [f"{name}.weight" for name in tensors], "reason": reason}


def elements(name: str) -> int:
    count = 1
    for size in ODD_SHAPES[name]:
        count *= size
    return count


DIFFERENCES = [
    difference(
        ["breadcrumbs-odd-f32", "breadcrumbs_ties-odd-f32"],
        [name for name in ODD_SHAPES if elements(name) < 1 / 0.01 and not name.startswith("frozen")],
        "Where gamma leaves no outlier to drop (gamma x elements < 1), mergekit drops the whole change.",
    ),
    difference(
        ["sce-odd-f32", "sce-topk-odd-f32"],
        ["faint"],
        "mergekit weighs all models the same where the mean squared changes add up to less than 1e-6.",
    ),
    difference(
        ["model_stock-odd-f32", "model_stock-rows-odd-f32"],
        ["faint"],
        "mergekit divides a cosine by no less than 1e-6, which makes small changes look unrelated.",
    ),
    difference(
        ["model_stock-rows-odd-f32"],
        ["wide_range"],
        "mergekit divides a cosine by no less than 1e-6, which makes small changes look unrelated.",
    ),
    difference(
        ["model_stock-rows-odd-f32", "model_stock-rows-floor-odd-f32", "nuslerp-rows-odd-f32", "nuslerp-base-rows-odd-f32"],
        ["cube", "kernel"],
        "Rows of three and more dimensions: mergekit takes vectors along the last dimension, Fusewright slices of the first.",
    ),
    difference(
        ["arcee_fusion-odd-f32"],
        ["kernel"],
        "Rows of three and more dimensions: mergekit takes vectors along the last dimension, Fusewright slices of the first.",
    ),
    difference(
        ["arcee_fusion-odd-f32"],
        ["faint"],
        "Of rows that changed little, mergekit's float32 divergence is mostly rounding error.",
    ),
    difference(
        ["karcher-odd-f32"],
        ["faint", "matrix"],
        "mergekit's float32 loses small angles, and leaves such models out of a step.",
    ),
    difference(
        ["multislerp-two-base-odd-f32"],
        ["one", "scalar"],
        "Opposite directions: what mergekit's float32 leaves of their sum is rounding error, and becomes the direction.",
    ),
    difference(
        ["nuslerp-odd-f32", "nuslerp-rows-odd-f32", "nuslerp-columns-odd-f32"],
        ["opposite_models"],
        "Opposite directions: mergekit divides by the rounding error of a sine.",
    ),
    difference(
        ["nuslerp-rows-odd-f32"],
        ["odd_rows"],
        "Opposite directions: mergekit divides by the rounding error of a sine.",
    ),
    difference(
        ["nuslerp-base-odd-f32", "nuslerp-base-rows-odd-f32"],
        ["opposite_changes"],
        "Opposite directions: mergekit divides by the rounding error of a sine.",
    ),
]
