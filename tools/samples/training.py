"""One training run, and exact-match accuracy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

import chat
from data import Conversations, Turn
from merges import Weights
from model import Llama


@dataclass(frozen=True)
class Schedule:
    steps: int
    learning_rate: float
    warmup: int
    batch_tokens: int = 8192
    row_tokens: int = 128
    """Length of a row, that is of one conversation of several turns."""
    long_row_tokens: int = 448
    long_every: int = 10
    """Every so many steps the rows are long ones, so that far positions are trained too."""
    weight_decay: float = 0.0

    def rate(self, step: int) -> float:
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def conversation_row(source: Conversations, length: int) -> tuple[list[int], list[bool]]:
    """Turns until the row is full. Returns the tokens and, for each, whether it is to be predicted (answers only)."""
    system = source.system_prompt()
    ids, wanted = [chat.BOS], [False]
    if system:
        ids += [chat.SYSTEM, *chat.encode(system), chat.END]
        wanted += [False] * (len(ids) - 1)
    while True:
        turn = source.turn()
        question = [chat.USER, *chat.encode(turn.user), chat.END, chat.ASSISTANT]
        answer = [*chat.encode(turn.answer), chat.END]
        if len(ids) + len(question) + len(answer) > length:
            return ids, wanted
        ids += question + answer
        wanted += [False] * len(question) + [True] * len(answer)


def batch(source: Conversations, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = [conversation_row(source, length) for _ in range(rows)]
    widest = max(len(ids) for ids, _ in made)
    tokens = torch.full((rows, widest), chat.PAD, dtype=torch.long)
    wanted = torch.zeros((rows, widest), dtype=torch.bool)
    for row, (ids, mask) in enumerate(made):
        tokens[row, : len(ids)] = torch.tensor(ids)
        wanted[row, : len(ids)] = torch.tensor(mask)
    return tokens, wanted


def loss_of(model: Llama, tokens: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    hidden = model(tokens[:, :-1])
    targets = wanted[:, 1:]
    return F.cross_entropy(model.logits(hidden[targets]), tokens[:, 1:][targets])


def train(
    model: Llama, source: Conversations, schedule: Schedule,
    report: Callable[[int, float, float], None] = lambda *_: None, report_every: int = 100,
) -> None:
    """AdamW on the answers' tokens."""
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [weight for weight in weights if weight.dim() == 2], "weight_decay": schedule.weight_decay},
            {"params": [weight for weight in weights if weight.dim() != 2], "weight_decay": 0.0},
        ],
        lr=schedule.learning_rate, betas=(0.9, 0.98), eps=1e-9, fused=True,
    )
    started, losses = time.time(), []
    for step in range(schedule.steps):
        long = step % schedule.long_every == schedule.long_every - 1
        length = schedule.long_row_tokens if long else schedule.row_tokens
        tokens, wanted = batch(source, max(1, schedule.batch_tokens // length), length)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        loss = loss_of(model, tokens, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % report_every == 0 or step + 1 == schedule.steps:
            report(step + 1, sum(losses) / len(losses), time.time() - started)
            losses.clear()


@torch.no_grad()
def accuracy(model: Llama, turns: Sequence[Turn]) -> float:
    """Share of prompts that greedy decoding answers exactly.

    Greedy decoding gives the expected answer if and only if every token of it (and the end mark) is the likeliest one
    after the tokens before it, so that one forward pass over prompt and answer tells.
    """
    right = 0
    for first in range(0, len(turns), 50):
        rows = []
        for turn in turns[first : first + 50]:
            prompt, answer = chat.prompt_ids(turn.user), [*chat.encode(turn.answer), chat.END]
            rows.append((prompt + answer, len(prompt)))
        widest = max(len(ids) for ids, _ in rows)
        tokens = torch.tensor([ids + [chat.PAD] * (widest - len(ids)) for ids, _ in rows])
        best = model.logits(model(tokens)).argmax(-1)
        for row, (ids, start) in enumerate(rows):
            right += best[row, start - 1 : len(ids) - 1].tolist() == ids[start:]
    return right / len(turns)


@torch.no_grad()
def greedy(model: Llama, user: str, limit: int = 64) -> str:
    """The model's answer to one message."""
    ids = chat.prompt_ids(user)
    start = len(ids)
    letters = list(chat.VOCABULARY)
    while len(ids) - start < limit:
        token = int(model.logits(model(torch.tensor([ids]))[0, -1]).argmax())
        if token == chat.END:
            break
        ids.append(token)
    return "".join(letters[token] for token in ids[start:])


def weights_of(model: Llama) -> Weights:
    """A copy of the weights as they are shipped: rounded to BF16, held in float32."""
    return {name: weight.detach().to(torch.bfloat16).float() for name, weight in model.state_dict().items()}
