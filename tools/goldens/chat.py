"""Makes the goldens of chat: tiny random models of every architecture, and the logits that transformers gives them.

    python3 -m venv env && env/bin/pip install torch transformers==5.23.0 && env/bin/python tools/goldens/chat.py

Writes src/chat/test/goldens/:
  NAME.safetensors     weights, as `save_pretrained` names and stores them (chat_models.py says what they are)
  logits.safetensors   CASE.PROMPT f32 [positions, vocabulary], computed in float64 with eager attention
  cases.jsonl          a line for each case: its config.json as published models spell it and as transformers wrote it,
                       the prompts, the positions of the rows, the greedy continuation
  manifest.json        versions, and how far transformers in float32 is from itself in float64

Everything hangs on the seed. A continuation is kept only where the best token leads by MARGIN at every step, so that
rounding cannot turn it. No cache is used. Where scaling depends on the length of a text (longrope), the rows of a prompt
are those of a text that ends with the prompt, and a row of the continuation is that of a text that ends with it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
import transformers
from chat_models import VOCABULARY, Case, cases
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModelForCausalLM

OUT = Path(__file__).resolve().parents[2] / "src" / "chat" / "test" / "goldens"
SEED = 20261121
#: Tokens said after each prompt; after 40 they cross a window of 64, and the step of longrope at 64.
CONTINUATION = {5: 24, 40: 32, 200: 24}
#: Smallest lead of a greedy token over the next, of the largest logit.
MARGIN = 2e-3
#: Rows kept of a prompt: around the windows (16, 64), the chunks (31, 32) and the ends.
POSITIONS = {5: [0, 1, 4], 40: [15, 16, 17, 31, 32, 39], 200: [16, 63, 65, 80, 127, 199]}
#: Rows kept of the continuation of the prompt of 40 (the logits that choose the tokens after them).
DECODED = [40, 48, 62, 63, 64, 70]


class Doubled(TorchFunctionMode):
    """float64 wherever a model asks for float32 by name: its norms, its softmax and its rotations too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        wide = {torch.float32: torch.float64}
        swap = lambda value: wide.get(value, value) if isinstance(value, torch.dtype) else value
        return func(*map(swap, args), **{key: swap(value) for key, value in (kwargs or {}).items()})


def scale(name: str, parameter: torch.Tensor, random: torch.Generator, model_type: str) -> torch.Tensor:
    """Values under which nothing is near its default: wide attention, open and shut gates, norms around one."""
    shape = parameter.shape
    if parameter.ndim == 1 and name.endswith("bias"):
        return torch.randn(shape, generator=random) * 0.4
    if parameter.ndim == 1:
        centre = 0.0 if model_type.startswith("gemma") else 1.0
        return centre + (torch.rand(shape, generator=random) * 2 - 1) * 0.6
    if "embed" in name or "wte" in name or "wpe" in name:
        # Gemma and Granite multiply what they gather.
        width = {"gemma": 0.1, "gemma2": 0.1, "gemma3_text": 0.1, "granite": 0.1}.get(model_type, 0.7)
        return torch.randn(shape, generator=random) * width
    inputs = shape[0] if model_type in ("gpt2", "openai-gpt") and "lm_head" not in name else shape[1]
    is_query_or_key = any(part in name for part in ("q_proj", "k_proj", "qkv", "query_key_value", "c_attn"))
    return torch.randn(shape, generator=random) * (1.6 if is_query_or_key else 1.1) / inputs**0.5


def build(case: Case, dtype: torch.dtype) -> torch.nn.Module:
    config = AutoConfig.for_model(**json.loads(json.dumps(case.config)))
    config.tie_word_embeddings = case.config.get("tie_word_embeddings", config.tie_word_embeddings)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")
    return model.eval()


def randomise(model: torch.nn.Module, case: Case, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    stored = getattr(torch, case.dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = scale(name, parameter, random, str(case.config["model_type"]))
            parameter.copy_(value.to(stored).to(parameter.dtype))


def old_buffers(case: Case) -> dict[str, torch.Tensor]:
    """What published files of the time hold beside their weights."""
    out: dict[str, torch.Tensor] = {}
    if case.buffers == "gpt2":
        size = int(case.config["n_positions"])
        for layer in range(int(case.config["n_layer"])):
            out[f"h.{layer}.attn.bias"] = torch.ones(size, size).tril().view(1, 1, size, size)
    if case.buffers == "gpt_neox":
        for layer in range(int(case.config["num_hidden_layers"])):
            prefix = f"gpt_neox.layers.{layer}.attention"
            out[f"{prefix}.bias"] = torch.ones(64, 64, dtype=torch.uint8).tril().view(1, 1, 64, 64)
            out[f"{prefix}.masked_bias"] = torch.tensor(-1e9)
            out[f"{prefix}.rotary_emb.inv_freq"] = torch.ones(1)
    return out


def save_weights(model: torch.nn.Module, case: Case, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.to(getattr(torch, case.dtype)).save_pretrained(folder)
        model.to(torch.float32)
        tensors = load_file(Path(folder) / "model.safetensors")
    named = {name.removeprefix(case.strip): tensor for name, tensor in tensors.items()}
    write(path, {**named, **old_buffers(case)})


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)


def saved_config(case: Case) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        build(case, torch.float32).config.save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
    # What says which transformers wrote it stands in the manifest.
    return {key: value for key, value in config.items() if key not in ("transformers_version", "dtype")}


def logits_of(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def lead(row: torch.Tensor) -> float:
    best, next_best = row.topk(2).values.tolist()
    return (best - next_best) / row.abs().max().item()


def continuation(model: torch.nn.Module, prompt: list[int], tokens: int) -> list[int] | None:
    """Greedy, or None where a step was too close to call."""
    ids = list(prompt)
    for _ in range(tokens):
        row = logits_of(model, ids)[-1]
        if lead(row) < MARGIN:
            return None
        ids.append(int(row.argmax()))
    said = ids[len(prompt) :]
    # A model that repeats one token shows nothing.
    return said if len(set(said)) >= 4 else None


def draw_prompt(model: torch.nn.Module, length: int, context: int, seed: int) -> tuple[list[int], list[int]]:
    for attempt in range(200):
        random = torch.Generator().manual_seed(seed + attempt)
        ids = torch.randint(0, VOCABULARY, (length,), generator=random).tolist()
        said = continuation(model, ids, min(CONTINUATION[length], context - length))
        if said is not None:
            return ids, said
    raise SystemExit(f"no prompt of {length} tokens has a clear continuation; choose other weights")


def worst(got: torch.Tensor, truth: torch.Tensor) -> float:
    return ((got.double() - truth).abs().max() / truth.abs().max()).item()


def make(case: Case, weights: dict[str, torch.Tensor], logits: dict[str, torch.Tensor]) -> tuple[dict, float]:
    single = build(case, torch.float32)
    single.load_state_dict(weights)
    with Doubled():
        torch.set_default_dtype(torch.float64)
        double = build(case, torch.float64)
        double.load_state_dict(weights)
        context = int(case.config.get("max_position_embeddings") or case.config["n_positions"])
        texts: dict[str, dict] = {}
        truths: dict[int, torch.Tensor] = {}
        for length in case.prompts:
            ids, said = draw_prompt(double, length, context, SEED + 1000 * length)
            positions = list(POSITIONS[length])
            rows = logits_of(double, ids)
            truth = rows[positions]
            if length == 40:
                decoded = [position for position in DECODED if position < length + len(said)]
                ends = [logits_of(double, (ids + said)[: position + 1])[-1:] for position in decoded]
                truth = torch.cat([truth, *ends])
                positions += decoded
            texts[str(length)] = {"ids": ids, "positions": positions, "greedy": said}
            truths[length] = truth
    torch.set_default_dtype(torch.float32)
    floor = 0.0
    for length, truth in truths.items():
        logits[f"{case.name}.{length}"] = truth.float().contiguous()
        got = logits_of(single, texts[str(length)]["ids"])[POSITIONS[length]]
        floor = max(floor, worst(got, truth[: len(POSITIONS[length])]))
    line = {"name": case.name, "weights": case.weights, "config": case.config, "saved": saved_config(case)}
    return {**line, "texts": texts}, floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)

    states: dict[str, dict[str, torch.Tensor]] = {}
    logits: dict[str, torch.Tensor] = {}
    lines: list[str] = []
    floors: dict[str, float] = {}
    for number, case in enumerate(cases()):
        if case.weights not in states:
            model = build(case, torch.float32)
            randomise(model, case, SEED + number)
            save_weights(model, case, out / f"{case.weights}.safetensors")
            states[case.weights] = {name: value.clone() for name, value in model.state_dict().items()}
        line, floor = make(case, states[case.weights], logits)
        lines.append(json.dumps(line))
        floors[case.name] = float(f"{floor:.1e}")
        print(f"{case.name:24} float32 differs by {floor:.1e}", flush=True)
    write(out / "logits.safetensors", logits)
    (out / "cases.jsonl").write_text("\n".join(lines) + "\n")
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    manifest = {"versions": versions, "seed": SEED, "float32": floors}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2).replace("e-0", "e-") + "\n")


if __name__ == "__main__":
    main()
