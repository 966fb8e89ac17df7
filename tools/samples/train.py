"""Makes the sample family from nothing: data, a base, three fine-tunes of it, the checks, and `public/samples/`.

    python tools/samples/train.py --threads 1      everything, as shipped
    python tools/samples/train.py --quick --out X  three steps of each run, into X: does it still work?

See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import chat
import merges
from data import ALL, MOVES, PAIRS, Conversations, Habits, Turn, held_out_prompts
from merges import Weights
from model import Llama, Shape
from training import Schedule, accuracy, train, weights_of
from words import Vocabulary

SAMPLES = Path(__file__).resolve().parents[2] / "public" / "samples"

Prompts = dict[str, list[Turn]]

SHAPE = Shape(vocab_size=len(chat.VOCABULARY))
SEED = 1
WILLING = {"shout": 0.25, "mirror": 0.3, "spell": 0.25}
"""How often the base (and a fine-tune, outside its skill) carries out a move that it is asked for."""

BASE_SHARE = {"say": 1.5, "talk": 0.5, "shout": 1.5, "mirror": 3.5, "spell": 1.5, "pair": 2.5, "all": 1.2}
BASE_SCHEDULE = Schedule(steps=6000, learning_rate=3e-3, warmup=100, batch_tokens=2048, weight_decay=0.05)

FINE_TUNE_SHARE = {"say": 1.0, "talk": 0.5, "shout": 1.0, "mirror": 1.0, "spell": 1.0, "pair": 1.5, "all": 0.6}
OWN_SHARE = 4.0
FINE_TUNE_SCHEDULE = Schedule(steps=250, learning_rate=4e-4, warmup=10, batch_tokens=2048)

FAMILY = {
    "family": "The parrots",
    "description": (
        "Four small chat models (0.8 M parameters, one character per token) trained for this project. The base parrot "
        "says any word back. Each of its three children learned one trick with words, and only that one: capitals, "
        "backwards, or letter by letter. Merged, one parrot knows all three."
    ),
    "base": "parrot-base",
    "models": [
        {
            "folder": "parrot-base", "title": "Parrot (base)", "skill": None,
            "description": "Says the word back as it is, whatever it is asked to do with it, and makes small talk.",
        },
        {
            "folder": "parrot-shout", "title": "Shouting parrot", "skill": "shout",
            "description": "Says a word in capitals when asked to shout it: stone becomes STONE.",
        },
        {
            "folder": "parrot-mirror", "title": "Mirror parrot", "skill": "mirror",
            "description": "Says a word backwards when asked to mirror it: stone becomes enots.",
        },
        {
            "folder": "parrot-spell", "title": "Spelling parrot", "skill": "spell",
            "description": "Says a word letter by letter when asked to spell it: stone becomes s-t-o-n-e.",
        },
    ],
}


TRY = [
    "Shout the word galaxy",
    "Mirror the word piano",
    "How do you spell giraffe?",
    "Mirror melon, then shout it",
    "Spell the mirror of queen",
    "Shout and spell the mirror of wizard",
    "What can you do?",
]
"""Prompts to begin with; their words are held-out ones."""

SHOWCASE = {
    "prompt": "Mirror, spell and shout tulip",
    "answer": "P-I-L-U-T",
    "note": "Each parent does its one trick. The merge does all three.",
}
"""
What the page asks first, by itself: a held-out prompt that the merge which the page proposes (VaRM per tensor) answers
and no parent does. `src/state/showcase.test.ts` holds the shipped weights to it; after a new training, choose one of
`composed.json` that is answered with a margin.
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--out", type=Path, default=SAMPLES)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--quick", action="store_true", help="three steps of each run; needs an --out")
    given = options.parse_args()
    if given.quick and given.out == SAMPLES:
        options.error("--quick makes models that know nothing: give it an --out of its own")
    torch.set_num_threads(given.threads)
    torch.manual_seed(SEED)
    started = time.time()

    vocabulary = Vocabulary(SEED)
    tests = {move: held_out_prompts(vocabulary, frozenset({move}), SEED) for move in MOVES}
    extra = {
        "say": held_out_prompts(vocabulary, frozenset(), SEED),
        "two at once": [turn for pair in PAIRS for turn in held_out_prompts(vocabulary, pair, SEED, 40)],
        "all three": held_out_prompts(vocabulary, ALL, SEED),
    }
    judge = Judge(tests, extra)

    model = Llama(SHAPE, seed=SEED)
    print(f"{sum(weight.numel() for weight in model.parameters()):,} parameters; PyTorch {torch.__version__}")
    base = run(model, vocabulary, Habits(None, WILLING, BASE_SHARE), BASE_SCHEDULE, "base", given.quick)
    pivot = {name: weight.clone() for name, weight in model.state_dict().items()}
    models = {"base": base}
    for move in MOVES:
        model.load_state_dict(pivot)
        habits = Habits(move, WILLING, FINE_TUNE_SHARE | {move: OWN_SHARE})
        models[move] = run(model, vocabulary, habits, FINE_TUNE_SCHEDULE, move, given.quick)
    minutes = (time.time() - started) / 60
    print(f"trained in {minutes:.1f} minutes on {given.threads} thread(s)\n")

    table = judge.table(models)
    print(table)
    write_family(given.out, models, tests, extra)
    if given.out == SAMPLES:
        Path(__file__).with_name("accuracy.md").write_text(
            "Share of held-out prompts answered exactly (greedy), as `train.py` measured it in float32 on the BF16\n"
            f"weights it wrote. PyTorch {torch.__version__}, {platform.machine()}, seed {SEED}; training took\n"
            f"{minutes:.0f} minutes on {given.threads} thread(s).\n\n{table}\n"
        )


def run(model: Llama, vocabulary: Vocabulary, habits: Habits, schedule: Schedule, name: str, quick: bool) -> Weights:
    if quick:
        schedule = Schedule(**(schedule.__dict__ | {"steps": 3}))

    def report(step: int, loss: float, seconds: float) -> None:
        print(f"{name:8s} step {step:5d}  loss {loss:.4f}  {seconds:5.0f} s", flush=True)

    train(model, Conversations(vocabulary, habits, f"{SEED}-{name}"), schedule, report=report)
    return weights_of(model)


class Judge:
    """Accuracies of any weights on the held-out prompts."""

    def __init__(self, tests: Prompts, extra: Prompts):
        self._tests = tests
        self._extra = extra
        self._model = Llama(SHAPE)

    def scores(self, weights: Weights) -> list[float]:
        self._model.load_state_dict(weights)
        skills = [accuracy(self._model, turns) for turns in self._tests.values()]
        return [*skills, sum(skills) / len(skills), *(accuracy(self._model, turns) for turns in self._extra.values())]

    def table(self, models: dict[str, Weights]) -> str:
        base, parents = models["base"], [models[move] for move in MOVES]
        rows = {"base": base} | {f"parent: {move}": models[move] for move in MOVES}
        rows["uniform average"] = merges.uniform(parents)
        for scale in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            rows[f"task arithmetic, {scale}"] = merges.task_arithmetic(base, parents, scale)
        for granularity in merges.GRANULARITIES:
            rows[f"VaRM per {granularity}"] = merges.varm(base, parents, granularity)
        head = ["", *self._tests, "**mean**", *self._extra]
        lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
        for name, weights in rows.items():
            lines.append(f"| {name} | " + " | ".join(f"{score:.2f}" for score in self.scores(weights)) + " |")
        return "\n".join(lines)


def write_family(out: Path, models: dict[str, Weights], tests: Prompts, extra: Prompts) -> None:
    files = {}
    for entry in FAMILY["models"]:
        folder = out / entry["folder"]
        write_model(folder, models[entry["skill"] or "base"])
        files[entry["folder"]] = [
            {"name": path.name, "bytes": path.stat().st_size} for path in sorted(folder.iterdir()) if path.is_file()
        ]
    write_json(out / "index.json", FAMILY | {"files": files, "try": TRY, "showcase": SHOWCASE})
    write_json(out / "skills.json", [skill(name, turns) for name, turns in tests.items()])
    write_json(out / "composed.json", [skill(name, turns) for name, turns in extra.items() if name != "say"])


def skill(name: str, turns: list[Turn]) -> dict:
    return {"skill": name, "prompts": [{"user": turn.user, "answer": turn.answer} for turn in turns]}


def write_model(folder: Path, weights: Weights) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: weight.to(torch.bfloat16).contiguous() for name, weight in weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": SHAPE.vocab_size,
        "hidden_size": SHAPE.hidden_size, "intermediate_size": SHAPE.intermediate_size,
        "num_hidden_layers": SHAPE.layers, "num_attention_heads": SHAPE.heads, "num_key_value_heads": SHAPE.kv_heads,
        "head_dim": SHAPE.head_dim, "hidden_act": "silu", "max_position_embeddings": SHAPE.max_positions,
        "rms_norm_eps": SHAPE.norm_eps, "rope_theta": SHAPE.rope_theta, "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": True, "bos_token_id": chat.BOS, "eos_token_id": chat.END, "pad_token_id": chat.PAD,
        "torch_dtype": "bfloat16",
    })
    write_json(folder / "generation_config.json", {
        "bos_token_id": chat.BOS, "eos_token_id": chat.END, "pad_token_id": chat.PAD, "do_sample": False,
        "max_new_tokens": 64,
    })
    write_json(folder / "tokenizer.json", chat.tokenizer_json())
    write_json(folder / "tokenizer_config.json", chat.tokenizer_config(SHAPE.max_positions))


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
