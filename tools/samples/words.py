"""Words for the sample family: a list of real words, and seeded generators of made-up ones."""

from __future__ import annotations

import random

REAL_WORDS = """
able acorn actor agent album alley amber angel ankle apple apron arch arrow atlas autumn badge baker balloon bamboo
banjo barn basket beach beacon bear beetle bell berry bicycle bird biscuit blanket blossom boat bottle branch brave
bread breeze brick bridge bright bronze brook brush bubble bucket butter button cabin cactus camel camera candle
canoe canyon carbon carpet carrot castle cedar cello chair chalk cheese cherry chess circle citrus clay cliff clock
cloud clover coast cobalt coffee comet compass copper coral cotton cousin cradle crane crater crayon cream creek
cricket crown crystal curtain cycle dagger daisy dance dawn desert diamond dinner dolphin donkey door dragon drawer
dream drum eagle early earth easel echo eclipse elbow ember engine envelope evening fabric falcon family farmer
feather fence fern ferry fiddle field finger fire flag flame flint flower flute forest fossil fountain fox friend
frog frost galaxy garden garlic gate giant ginger giraffe glacier glass globe glove gold goose grape grass gravel
green guitar hammer harbor harvest hat hazel heart hedge helmet hero heron hill hollow honey hood horizon horse
hotel house human hunter island ivory jacket jaguar jelly jewel journey judge juice jungle kettle key kitchen kite
kitten ladder lake lamp lantern laptop laurel leaf lemon letter library light lily linen lion lizard lobster locket
lotus lumber lunch magic magnet mango maple marble market meadow melody melon metal middle milk mirror mist mitten
monkey moon morning mosaic moss mother mountain mouse museum music napkin needle nest night north novel nutmeg oasis
ocean olive onion orange orbit orchard otter oven owl oyster paddle palace panda panther paper parade parrot pasta
pebble pencil penguin pepper piano picnic pigeon pillow pilot pine planet plate plum pocket poem pond poppy potato
prairie prism puppy puzzle pyramid quartz queen quilt rabbit radio rain raven reef ribbon river road robin rocket
roof rose ruby saddle saffron sail salmon salt sand saturn scarf school shadow shell shore silver singer sister
smile snail snow socket sparrow spice spider spirit spoon spring square stable star station stone storm story
stream street sugar summer sunset swallow table tailor tango teacup temple thistle thread thunder ticket tiger
timber toast tomato topaz tower trail train travel tree trumpet tulip tunnel turtle umbrella uncle valley vanilla
velvet village violet violin voyage wagon walnut water weather whale wheat wheel whisper willow window winter wizard
wolf wonder wood yard yellow yogurt zebra zenith zipper
world hello cat dog sun pie cup ant bee sea sky ice jam map net pan pen pig pot red run saw six ten toy van web zoo
""".split()

_ONSETS = "b c d f g h j k l m n p r s t v w z bl br ch cl cr dr fl fr gl gr pl pr sc sh sk sl sp st str sw th tr".split()
_VOWELS = "a e i o u a e i o ai ea ee oo ou".split()
_CODAS = [""] * 8 + "b ck d f g k l ll m n nd ng nt p r rd rk rn s sk ss st t x".split()
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def pseudo_word(rng: random.Random, shortest: int = 3, longest: int = 10) -> str:
    """A pronounceable word of one to four syllables that (mostly) does not exist."""
    while True:
        syllables = [
            rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((1, 2, 2, 3, 4)))
        ]
        if len(syllables) > 1 and rng.random() < 0.2:  # as in banana
            syllables[-1] = syllables[0]
        word = "".join(syllables)
        if shortest <= len(word) <= longest:
            return word


def letter_string(rng: random.Random, shortest: int = 2, longest: int = 10) -> str:
    """Letters at random: keeps the models from leaning on spelling habits."""
    letters = [rng.choice(_LETTERS) for _ in range(rng.randint(shortest, longest))]
    if rng.random() < 0.5:  # a letter that comes again, often right after itself, as in many real words
        at = rng.randrange(1, len(letters))
        letters[at] = letters[at - 1] if rng.random() < 0.7 else rng.choice(letters)
    return "".join(letters)


class Vocabulary:
    """The words of one family, split once and for all into training words and held-out words."""

    def __init__(self, seed: int, held_out_real: int = 120, held_out_pseudo: int = 120):
        rng = random.Random(f"words-{seed}")
        real = sorted(set(REAL_WORDS))
        rng.shuffle(real)
        self.held_out_real = real[:held_out_real]
        self.train_real = real[held_out_real:]
        pseudo: list[str] = []
        while len(pseudo) < held_out_pseudo:
            word = pseudo_word(rng, 4, 8)
            if word not in pseudo and word not in real:
                pseudo.append(word)
        self.held_out_pseudo = pseudo
        self._held_out = frozenset(self.held_out_real + self.held_out_pseudo)

    def is_held_out(self, word: str) -> bool:
        return word.lower() in self._held_out

    def training_word(self, rng: random.Random, longest: int = 10) -> str:
        """One word that is certain not to be held out."""
        while True:
            kind = rng.random()
            if kind < 0.25:
                word = rng.choice(self.train_real)
            elif kind < 0.65:
                word = pseudo_word(rng)
            else:
                word = letter_string(rng)
            if len(word) <= longest and not self.is_held_out(word):
                return word.capitalize() if rng.random() < 0.06 else word
