"""Tiny checkpoints with tokenizers of their own, for the goldens about vocabularies.

The base knows letters, two pairs and two special tokens. The first fine-tune has them at other ids, one pair more and a
special token more; the second knows less than the base. Only one of them adds tokens: the order in which mergekit adds
those of several models is chance.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from checkpoints import SEED, llama_config, llama_shapes
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace

#: Plain tokens in the order of their ids, pairs after their letters; then special ones.
VOCABULARIES: list[tuple[list[str], list[str]]] = [
    (["a", "b", "c", "d", "e", "f", "g", "ab", "cd"], ["<s>", "</s>"]),
    (["g", "f", "e", "d", "c", "b", "a", "ef", "ab", "cd"], ["<s>", "</s>", "<|im_start|>"]),
    (["b", "a", "c", "d", "ab"], ["</s>", "<s>"]),
]


def write_vocabulary_model(folder: Path, model: int) -> None:
    plain, special = VOCABULARIES[model]
    folder.mkdir(parents=True)
    pairs = [(token[0], token[1]) for token in plain if len(token) == 2]
    tokenizer = Tokenizer(BPE(vocab={token: at for at, token in enumerate(plain)}, merges=pairs))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")

    config = llama_config(8, 2, 4, 6, len(plain) + len(special), 1)
    base_random = torch.Generator().manual_seed(SEED + 9)
    own_random = torch.Generator().manual_seed(SEED + 9 + 1000 * model)
    tensors = {}
    for name, shape in llama_shapes(config).items():
        is_embedding = shape[0] == config["vocab_size"]
        values = torch.randn(shape, generator=own_random if is_embedding else base_random) * 0.05
        tensors[name] = values if is_embedding or model == 0 else values + torch.randn(shape, generator=own_random) * 0.01
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config, "torch_dtype": "float32"}, indent=2) + "\n")
