"""Do the shipped folders mean the same to Hugging Face's own code? Needs transformers >= 5.

Loads each folder with AutoModelForCausalLM and AutoTokenizer, checks that the chat template gives the very tokens of
training, that greedy answers equal those of `model.py`, and that accuracies agree.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import chat
from model import Llama
from train import SAMPLES, SHAPE
from training import greedy


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--samples", type=Path, default=SAMPLES)
    options.add_argument("--prompts", type=int, default=30, help="held-out prompts per skill (default 30)")
    given = options.parse_args()
    torch.set_num_threads(1)
    index = json.loads((given.samples / "index.json").read_text())
    skills = json.loads((given.samples / "skills.json").read_text())
    asked = index["try"] + [prompt["user"] for skill in skills for prompt in skill["prompts"][: given.prompts]]
    for entry in index["models"]:
        folder = given.samples / entry["folder"]
        with safe_open(folder / "model.safetensors", "pt") as file:
            assert file.metadata() == {"format": "pt"}
            assert all(file.get_slice(name).get_dtype() == "BF16" for name in file.keys())
        for listed in index["files"][entry["folder"]]:
            assert (folder / listed["name"]).stat().st_size == listed["bytes"], listed
        tokenizer = AutoTokenizer.from_pretrained(folder)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ours = Llama(SHAPE)
        ours.load_state_dict({name: weight.float() for name, weight in load_file(folder / "model.safetensors").items()})
        for user in asked:
            turn = [{"role": "user", "content": user}]
            ids = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt")["input_ids"]
            assert ids[0].tolist() == chat.prompt_ids(user), user
            out = theirs.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=64)
            text = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
            assert text == greedy(ours, user), (user, text)
        accuracies = []
        for skill in skills:
            prompts = skill["prompts"][: given.prompts]
            right = sum(greedy(ours, prompt["user"]).strip() == prompt["answer"] for prompt in prompts)
            accuracies.append(f"{skill['skill']} {right}/{len(prompts)}")
        print(f"{entry['folder']}: {len(asked)} answers the same in transformers; {', '.join(accuracies)}", flush=True)
        for user in index["try"]:
            print(f"    {user}  ->  {greedy(ours, user)}")
    total = sum(path.stat().st_size for path in given.samples.rglob("*") if path.is_file())
    print(f"{total / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main()
