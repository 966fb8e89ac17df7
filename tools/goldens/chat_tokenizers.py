"""Token numbers of awkward texts by small tokenizers that transformers (and sentencepiece) build from old files.

Run:  python3 tools/goldens/chat_tokenizers.py > src/chat/test/tokenizers.json && npx biome format --write src/chat/test/tokenizers.json
Made with transformers 5.23.0, tokenizers 0.23.3 and sentencepiece 0.2. The files are in the fixture too: what
tokenizer-files.ts and sentence-piece.ts make of them must give the same numbers, and the same text back.
"""

import base64
import json
import os
import struct
import sys
import tempfile

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, Regex, trainers
from transformers import BertTokenizer, GPT2Tokenizer, OpenAIGPTTokenizer, Qwen2Tokenizer

TEXTS = [
    "", " ", "Hello there", "  the  then\n\nthe\n", "it's THE end.", "naïve café Ünï", "日本 the 語", "🙂 the 👩‍👩‍👧",
    "a\tb\r\nc", "the<|endoftext|>the", "12345 67", "x\u0000y", "e\u0301 = \u00e9", "\u00a0the\u3000the", "...!?--", " the",
]


def byte_characters():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, n = {}, 0
    for byte in range(256):
        table[byte] = chr(byte) if byte in printable else chr(256 + n)
        n += byte not in printable
    return [table[b] for b in range(256)]


def write(folder, files):
    for name, text in files.items():
        with open(os.path.join(folder, name), "w" if isinstance(text, str) else "wb", newline="" if isinstance(text, str) else None) as out:
            out.write(text)


def case(name, files, make, texts=TEXTS):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, files)
        tokenizer = make(folder)
        rows = []
        for text in texts:
            ids, back = tokenizer(text)
            rows.append([text, ids, back])
    return {"name": name, "files": {k: v if isinstance(v, str) else {"base64": base64.b64encode(v).decode()} for k, v in files.items()}, "texts": rows}


def hugging(cls, **options):
    def make(folder):
        made = cls.from_pretrained(folder, **options)

        def run(text):
            ids = made.encode(text, add_special_tokens=False)
            return ids, made.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return run
    return make


def pairs(*lines):
    return "#version: 0.2\n" + "".join(line + "\n" for line in lines)


BYTE_MERGES = ["Ġ t", "h e", "Ġt he", "l l", "he ll", "hell o", "Ġthe r", "Ġther e", "Ġ Ġ", "Ċ Ċ", "1 2", "ã ģ", "ðŁ Ļ", "ð Ł", "n d", "e nd"]
byte_vocab = {t: i for i, t in enumerate([*byte_characters(), *[m.replace(" ", "") for m in BYTE_MERGES], "<|endoftext|>"])}
byte_files = {"vocab.json": json.dumps(byte_vocab, ensure_ascii=False), "merges.txt": pairs(*BYTE_MERGES)}

WORD_MERGES = ["t h", "th e</w>", "th e", "h e", "l l", "he ll", "hell o</w>", "the n</w>", ". . ", "e n", "en d</w>"]
WORD_MERGES = [m for m in WORD_MERGES if not m.endswith(" ")]
letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-=日本語🙂"
gpt1_vocab = {t: i for i, t in enumerate(["<unk>", *letters, *[c + "</w>" for c in letters], *dict.fromkeys(m.replace(" ", "") for m in WORD_MERGES)])}

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##n", "##re", "hello", "there", "it", "'", "s", "end", ".", "cafe", "naive", "日", "本", "a", "b", "c", "12", "##345", "!", "?", "-", "e", "=", "##there", "x"]


def field(number, payload):
    def varint(n):
        out = b""
        while True:
            out += bytes([n & 127 | (128 if n > 127 else 0)])
            n >>= 7
            if not n:
                return out
    if isinstance(payload, bytes):
        return varint(number * 8 + 2) + varint(len(payload)) + payload
    if isinstance(payload, float):
        return varint(number * 8 + 5) + struct.pack("<f", payload)
    return varint(number * 8) + varint(payload)


def sentence_model(add_dummy_prefix, remove_extra, control=("<s>", "</s>")):
    texts = ["▁t", "he", "▁the", "ll", "hell", "▁hell", "▁hello", "in", "en", "▁then", "▁▁", "▁▁▁", "re", "▁there", "end"]
    chars = "▁theloinradsHTEH.,'é日本🙂12"
    pieces = [("<unk>", 0.0, 2), *[(c, 0.0, 3) for c in control], *[(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]]
    pieces += [("<user>", 0.0, 4)]
    pieces += [(t, -float(i), 1) for i, t in enumerate([*texts, *dict.fromkeys(chars)])]
    body = b"".join(field(1, field(1, t.encode()) + field(2, s) + field(3, k)) for t, s, k in pieces)
    trainer = field(3, 2) + field(35, 1) + field(40, 0) + field(41, 1) + field(42, 2)
    normaliser = field(1, b"identity") + field(2, b"") + field(3, int(add_dummy_prefix)) + field(4, int(remove_extra)) + field(5, 1)
    return body + field(2, trainer) + field(3, normaliser)


def sentence(folder):
    made = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))

    def run(text):
        ids = made.encode(text)
        return ids, made.decode(ids)
    return run


def word_level(folder):
    made = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))

    def run(text):
        ids = made.encode(text, add_special_tokens=False).ids
        return ids, made.decode(ids, skip_special_tokens=True)
    return run


chars = Tokenizer(models.WordLevel({c: i for i, c in enumerate(["<unk>", *"\n thelonrHTE.'日🙂"])}, unk_token="<unk>"))
chars.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
chars.decoder = decoders.Fuse()

# Parts of tokenizer.json over a vocabulary that joins across everything, so that every cut shows in the numbers.
PARTS_TEXTS = ["", "a 12 b", "12①½ ٣٤ x²Ⅷ", "naïve café_x 日本-語", "a--b, (c).", "...!?", "  a  b ", "▁a ▁▁b", "a\ufeffb\u0085c", " -12- ", "it's"]
joined = Tokenizer(models.BPE(unk_token="<unk>"))
joined.train_from_iterator(PARTS_TEXTS * 3 + ["▁a▁▁b▁12▁x"] * 3, trainers.BpeTrainer(vocab_size=110, special_tokens=["<unk>"], show_progress=False))


def part(decoder=None, **pre):
    """The same tokenizer with another way of cutting text."""
    definition = json.loads(joined.to_str())
    definition["pre_tokenizer"] = pre or None
    definition["decoder"] = decoder or {"type": "Fuse"}
    return {"tokenizer.json": json.dumps(definition, ensure_ascii=False)}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def metaspace(**options):
    return {"type": "Metaspace", "replacement": "▁", **options}


PARTS = {
    "digits one by one": part(type="Digits", individual_digits=True),
    "digits together": part(type="Digits", individual_digits=False),
    "words and marks": part(type="Whitespace"),
    "words": part(type="WhitespaceSplit"),
    "marks alone": part(type="Punctuation"),
    "marks together": part(type="Punctuation", behavior="Contiguous"),
    "marks left out": part(type="Punctuation", behavior="Removed"),
    "marks with what is before": part(type="Punctuation", behavior="MergedWithPrevious"),
    "marks with what is after": part(type="Punctuation", behavior="MergedWithNext"),
    "a pattern with what is before": part(**split({"Regex": "[-,]| "}, "MergedWithPrevious")),
    "a text with what is after": part(**split({"String": "-"}, "MergedWithNext")),
    "a pattern together": part(**split({"Regex": "[-.]"}, "Contiguous")),
    "an inverted pattern": part(**split({"Regex": "[a-z]+"}, "Isolated", True)),
    "a character": part(type="CharDelimiterSplit", delimiter="-"),
    "several": part(type="Sequence", pretokenizers=[{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"}]),
    "Metaspace that splits": part(decoder=metaspace(prepend_scheme="always", split=True), **metaspace(prepend_scheme="always", split=True)),
    "Metaspace that does not": part(decoder=metaspace(prepend_scheme="first", split=False), **metaspace(prepend_scheme="first", split=False)),
    "Metaspace without a prefix": part(decoder=metaspace(prepend_scheme="never", split=True), **metaspace(prepend_scheme="never", split=True)),
}

SENTENCES = ["", "Hello there", "  the  then\n\nthe\n", " the", "the ", "it's THE end.", "naïve café", "日本 the 語", "🙂 the 👩‍👩‍👧", "a\tb", "the<user>the <user> the", "12345", "x\u0000y", "e\u0301", "\u00a0the", "▁the"]

# After a user's symbol Hugging Face's Llama puts the prefix again, and sentencepiece does not; the former counts.
WITHOUT_USER = [text for text in SENTENCES if "<user>" not in text]

if __name__ == "__main__":
    cases = [
        case("GPT-2", {**byte_files, "tokenizer_config.json": '{"tokenizer_class": "GPT2Tokenizer"}'}, hugging(GPT2Tokenizer)),
        case("GPT-2, a space before the text", {**byte_files, "tokenizer_config.json": '{"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true}'}, hugging(GPT2Tokenizer)),
        case("Qwen2", {**byte_files, "tokenizer_config.json": '{"tokenizer_class": "Qwen2Tokenizer"}'}, hugging(Qwen2Tokenizer)),
        case("GPT-1", {"vocab.json": json.dumps(gpt1_vocab, ensure_ascii=False), "merges.txt": pairs(*WORD_MERGES), "tokenizer_config.json": '{"tokenizer_class": "OpenAIGPTTokenizer"}'}, hugging(OpenAIGPTTokenizer)),
        case("BERT", {"vocab.txt": "".join(p + "\n" for p in PIECES), "tokenizer_config.json": '{"tokenizer_class": "BertTokenizer"}'}, hugging(BertTokenizer)),
        case("characters by WordLevel", {"tokenizer.json": chars.to_str()}, word_level),
        case("SentencePiece as Llama", {"tokenizer.model": sentence_model(True, False)}, sentence, WITHOUT_USER),
        case("SentencePiece without a prefix", {"tokenizer.model": sentence_model(False, False)}, sentence, SENTENCES),
        case("SentencePiece that collapses spaces", {"tokenizer.model": sentence_model(True, True)}, sentence, WITHOUT_USER[:-1]),
    ]
    cases += [case(name, files, word_level, PARTS_TEXTS) for name, files in PARTS.items()]
    json.dump(cases, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    sys.stdout.write("\n")
