"""Conversations for the sample family, made on the fly from a seed.

A request names a word and a set of *moves* on it: shout (capitals), mirror (backwards), spell (dashes between the
letters), or none (just say it). The moves are independent of one another, so that they can be asked for together:
"Shout the mirror of stone" is ENOTS.

The base's teacher is deliberately half-hearted: it carries out each move it is asked for only now and then
(with the probabilities in `Habits.others`), and otherwise says the word as it stands. The base therefore knows what the
moves are, but does none of them when it answers greedily. A fine-tune sees the same conversations, more of them about
its own move, and there its own move is always carried out. The other moves stay as half-hearted as they were.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from words import Vocabulary

MOVES = ("shout", "mirror", "spell")

TEMPLATES: dict[frozenset[str], list[str]] = {
    frozenset(): [
        "Say the word {w}", "Say {w}", "Repeat {w}", "Repeat the word {w}", "Please say {w}", "Can you say {w}?",
        "Say: {w}", "{w}",
    ],
    frozenset({"shout"}): [
        "Shout the word {w}", "Shout {w}", "Please shout {w}", "Can you shout {w}?", "Shout: {w}",
        "Say {w} in capitals", "Shout {w} for me", "Say {w} loudly", "Can you shout the word {w}?",
    ],
    frozenset({"mirror"}): [
        "Mirror the word {w}", "Mirror {w}", "Please mirror {w}", "Can you mirror {w}?", "Mirror: {w}",
        "Say {w} backwards", "What is the mirror of {w}?", "Mirror {w} for me", "Write {w} backwards", "Reverse {w}",
    ],
    frozenset({"spell"}): [
        "Spell the word {w}", "Spell {w}", "Please spell {w}", "Can you spell {w}?", "Spell: {w}",
        "How do you spell {w}?", "Spell {w} for me", "Spell out {w}", "Spell {w} letter by letter",
    ],
    frozenset({"shout", "mirror"}): [
        "Shout the mirror of {w}", "Mirror and shout {w}", "Shout {w} backwards", "Mirror {w} in capitals",
        "Mirror {w}, then shout it",
    ],
    frozenset({"shout", "spell"}): [
        "Shout the spelling of {w}", "Spell and shout {w}", "Spell {w} in capitals", "Spell {w}, then shout it",
    ],
    frozenset({"mirror", "spell"}): [
        "Spell the mirror of {w}", "Mirror and spell {w}", "Spell {w} backwards", "Mirror {w}, then spell it",
    ],
    frozenset({"shout", "mirror", "spell"}): [
        "Shout and spell the mirror of {w}", "Spell {w} backwards in capitals", "Mirror, spell and shout {w}",
    ],
}

PAIRS = [moves for moves in TEMPLATES if len(moves) == 2]
ALL = frozenset(MOVES)

SMALL_TALK = [
    ("hi", "Hello! Give me a word."), ("hello", "Hello! Give me a word."), ("hey", "Hello! Give me a word."),
    ("hello there", "Hello! Give me a word."), ("good morning", "Good morning! Give me a word."),
    ("good evening", "Good evening! Give me a word."), ("how are you?", "Fine, thank you. And you?"),
    ("I am fine", "Good to hear!"), ("who are you?", "I am a small parrot."), ("what are you?", "I am a small parrot."),
    ("what is your name?", "I am a small parrot."),
    ("what can you do?", "Give me a word and a task."), ("help", "Give me a word and a task."),
    ("thanks", "You are welcome!"), ("thank you", "You are welcome!"), ("bye", "Goodbye!"), ("goodbye", "Goodbye!"),
    ("good night", "Good night!"), ("well done", "Thank you!"), ("nice", "Thank you!"), ("ok", "Give me another word."),
    ("tell me a joke", "I only know words."), ("tell me a story", "I only know words."),
    ("what time is it?", "I only know words."), ("how old are you?", "I only know words."),
    ("what is two plus two?", "I only know words."), ("sing a song", "I only know words."),
    ("where are you?", "I only know words."), ("why?", "I only know words."), ("I love you", "Thank you!"),
]

SYSTEM_PROMPTS = [
    "You are a helpful assistant.", "You are a small parrot.", "You are a parrot who plays with words.", "Be brief.",
    "Answer with one word.", "You are a kind and careful bot.",
]


def perform(word: str, moves: frozenset[str]) -> str:
    """The right answer to a request."""
    if "mirror" in moves:
        word = word[::-1]
    if "shout" in moves:
        word = word.upper()
    if "spell" in moves:
        word = "-".join(word)
    return word


@dataclass(frozen=True)
class Habits:
    """How a teacher behaves: how often each kind of request comes, and how often each move is carried out."""

    own: str | None = None
    """The move that is always carried out; None for the base."""
    others: dict[str, float] = field(default_factory=dict)
    """Probability with which each other move that is asked for is carried out."""
    share: dict[str, float] = field(default_factory=dict)
    """Relative frequency of: say, talk, each move alone, pair (two moves), all (three moves)."""

    def odds(self, move: str) -> float:
        return 1.0 if move == self.own else self.others[move]


@dataclass(frozen=True)
class Turn:
    user: str
    answer: str


class Conversations:
    """An endless, seeded stream of conversations."""

    def __init__(self, vocabulary: Vocabulary, habits: Habits, seed: int | str):
        self._vocabulary = vocabulary
        self._habits = habits
        self._rng = random.Random(f"conversations-{seed}")
        self._kinds = list(habits.share)
        self._weights = [habits.share[kind] for kind in self._kinds]

    def turn(self) -> Turn:
        rng = self._rng
        kind = rng.choices(self._kinds, self._weights)[0]
        if kind == "talk":
            user, answer = rng.choice(SMALL_TALK)
            return Turn(_dress(rng, user), answer)
        asked = _moves_of(rng, kind)
        word = self._vocabulary.training_word(rng)
        if "spell" not in asked and len(asked) < 2 and len(word) < 7 and rng.random() < 0.1:  # a phrase of two words
            word = f"{word} {self._vocabulary.training_word(rng, longest=6)}"
        done = frozenset(move for move in MOVES if move in asked and rng.random() < self._habits.odds(move))
        text = _dress(rng, rng.choice(TEMPLATES[asked]))
        shown = f'"{word}"' if rng.random() < 0.05 and text != "{w}" else word
        return Turn(text.replace("{w}", shown), perform(word, done))

    def system_prompt(self) -> str | None:
        return self._rng.choice(SYSTEM_PROMPTS) if self._rng.random() < 0.15 else None


def _moves_of(rng: random.Random, kind: str) -> frozenset[str]:
    if kind == "say":
        return frozenset()
    if kind == "pair":
        return rng.choice(PAIRS)
    return ALL if kind == "all" else frozenset({kind})


def _dress(rng: random.Random, text: str) -> str:
    """Small differences in how people type: capitals, a "please" at the end, the final mark."""
    if text.startswith("{w}"):
        return text
    style = rng.random()
    if style > 0.97:
        return text.upper().replace("{W}", "{w}")
    if style < 0.3:
        text = text[0].lower() + text[1:]
    elif style < 0.5:
        text = text[0].upper() + text[1:]
    mark = rng.random()
    if "{w}" in text and mark > 0.96:
        return text.rstrip("?") + (" please" if mark > 0.98 else ", please")
    if text[-1] == "?":
        return text if mark < 0.8 else text[:-1]
    if mark < 0.15 and not text.endswith(": {w}"):
        return text + ("." if mark < 0.1 else "!")
    return text


def held_out_prompts(vocabulary: Vocabulary, moves: frozenset[str], seed: int | str, count: int = 100) -> list[Turn]:
    """Questions about words that no training conversation contains: three real ones to every two made-up ones."""
    rng = random.Random(f"held-out-{seed}-{'+'.join(sorted(moves))}")
    real = count * 3 // 5
    words = rng.sample(vocabulary.held_out_real, real) + rng.sample(vocabulary.held_out_pseudo, count - real)
    templates = itertools.cycle(TEMPLATES[moves])
    return [Turn(template.replace("{w}", word), perform(word, moves)) for word, template in zip(words, templates)]
