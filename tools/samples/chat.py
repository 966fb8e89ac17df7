"""The tokenizer and the chat format, the same for training and for the files that are shipped.

One character is one token. A conversation reads
    <|bos|> [<|system|>text<|end|>] <|user|>text<|end|><|assistant|>text<|end|> ...
without any white space between the parts.
"""

from __future__ import annotations

import string

SPECIAL = ["<|pad|>", "<|unk|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
CHARACTERS = " " + string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation + "\n"
VOCABULARY = {token: index for index, token in enumerate(SPECIAL + list(CHARACTERS))}
PAD, UNK, BOS, END, SYSTEM, USER, ASSISTANT = range(len(SPECIAL))

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def encode(text: str) -> list[int]:
    return [VOCABULARY.get(character, UNK) for character in text]


def prompt_ids(user: str) -> list[int]:
    """What the chat template gives for one user message with a generation prompt."""
    return [BOS, USER, *encode(user), END, ASSISTANT]


def tokenizer_json() -> dict:
    """The `tokenizers` file: byte-pair encoding over characters, with no pairs to merge."""
    added = [
        {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for index, token in enumerate(SPECIAL)
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<|unk|>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": VOCABULARY, "merges": [],
        },
    }


def tokenizer_config(max_positions: int) -> dict:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_positions, "bos_token": "<|bos|>",
        "eos_token": "<|end|>", "pad_token": "<|pad|>", "unk_token": "<|unk|>", "clean_up_tokenization_spaces": False,
        "add_bos_token": False, "add_eos_token": False, "chat_template": CHAT_TEMPLATE,
    }
