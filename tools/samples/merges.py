"""Merges of the family in float32, in a few lines each: the yardstick of `train.py`, not the product's engine."""

from __future__ import annotations

import re

import torch
from torch import Tensor

Weights = dict[str, Tensor]
GRANULARITIES = ("model", "layer", "module", "tensor", "row", "element")


def uniform(parents: list[Weights]) -> Weights:
    return {name: sum(parent[name] for parent in parents) / len(parents) for name in parents[0]}


def task_arithmetic(base: Weights, parents: list[Weights], scale: float) -> Weights:
    return {name: pivot + scale * sum(parent[name] - pivot for parent in parents) for name, pivot in base.items()}


def varm(base: Weights, parents: list[Weights], granularity: str) -> Weights:
    """W_j = mean of the squared change of parent j over the unit / the sum of these; result = sum of W_j x parent j."""
    if granularity == "element":
        energy = {name: torch.stack([(p[name] - pivot) ** 2 for p in parents]) for name, pivot in base.items()}
    elif granularity == "row":
        energy = {name: torch.stack([_by_row(p[name] - pivot) for p in parents]) for name, pivot in base.items()}
    else:
        units: dict[str, list[str]] = {}
        for name in base:
            units.setdefault(_unit(name, granularity), []).append(name)
        energy = {}
        for names in units.values():
            total = torch.stack([sum(((p[n] - base[n]).double() ** 2).sum() for n in names) for p in parents])
            for name in names:
                energy[name] = total.float().view(-1, *[1] * base[name].dim())
    merged = {}
    for name, pivot in base.items():
        total = energy[name].sum(0, keepdim=True)
        share = torch.where(total > 0, energy[name] / total, torch.zeros(()))
        mixed = sum(weight * parent[name] for weight, parent in zip(share, parents))
        merged[name] = torch.where(total[0] > 0, mixed, pivot)
    return merged


def _by_row(delta: Tensor) -> Tensor:
    if delta.dim() < 2:
        return (delta**2).mean().view(1)
    return (delta.flatten(1) ** 2).mean(1).view(-1, *[1] * (delta.dim() - 1))


def _unit(name: str, granularity: str) -> str:
    if granularity == "model":
        return "model"
    layer = re.match(r"(.*\.layers\.\d+\.)([^.]+)", name)
    if layer is None or granularity == "tensor":
        return name
    return layer[1] if granularity == "layer" else layer[0]
