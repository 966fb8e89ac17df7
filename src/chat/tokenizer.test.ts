import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import { loadStories } from './test/stories.ts';
import { Tokenizer } from './tokenizer.ts';

/** GPT-2's alphabet for bytes: printable ones stand for themselves, the others for characters from 256 on. */
const BYTE_CHARACTERS = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
})();

/** A byte-level BPE with one token for each byte, a merge, and the special tokens of ChatML. */
function byteLevel(config: Record<string, unknown> = {}): Tokenizer {
  const vocab = Object.fromEntries([...BYTE_CHARACTERS, 'Ġh', 'hi'].map((token, id) => [token, id]));
  const added = ['<|im_start|>', '<|im_end|>'].map((content, index) => ({
    id: 258 + index,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const definition = {
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab,
      merges: [
        ['Ġ', 'h'],
        ['h', 'i'],
      ],
      byte_fallback: false,
    },
  };
  return new Tokenizer(
    new Map([
      ['tokenizer.json', JSON.stringify(definition)],
      ['tokenizer_config.json', JSON.stringify({ eos_token: '<|im_end|>', ...config })],
    ]),
  );
}

const bytesOf = (text: string) => [...new TextEncoder().encode(text)];

describe('Tokenizer', () => {
  let stories: Tokenizer;
  let sideFiles: ReadonlyMap<string, string>;
  beforeAll(async () => {
    sideFiles = (await loadStories()).sideFiles;
    stories = new Tokenizer(sideFiles);
  });

  it('names what a vocabulary of words without an unknown token cannot write', () => {
    const definition = {
      model: { type: 'WordLevel', vocab: { a: 0, b: 1 } },
      pre_tokenizer: { type: 'Split', pattern: { Regex: '' }, behavior: 'Isolated' },
      decoder: { type: 'Fuse' },
    };
    const characters = new Tokenizer(new Map([['tokenizer.json', JSON.stringify(definition)]]));
    expect(characters.encode('abba', true)).toEqual([0, 1, 1, 0]);
    expect(() => characters.encode('abc', true)).toThrow(UnsupportedFault);
    expect(() => characters.encode('abc', true)).toThrow(/no token for the character "c"; leave it out/);
  });

  it('adds the beginning token once, as the model’s post-processor says', () => {
    expect(stories.bosId).toBe(1);
    expect(stories.encode('Once upon a time', true)).toEqual([1, 403, 407, 261, 378]);
    expect(stories.encode('<s>Once upon a time', true)[0]).toBe(1);
    expect(stories.encode('<s>Once upon a time', true)[1]).not.toBe(1);
    expect(stories.encode('Once upon a time', false)).toEqual([403, 407, 261, 378]);
    expect(stories.encode('', true)).toEqual([1]);
    expect(stories.encode('', false)).toEqual([]);
  });

  it('adds it where only tokenizer_config.json asks for it', () => {
    const asked = byteLevel({ bos_token: { content: '<|im_start|>' }, add_bos_token: true });
    expect(asked.encode('a', true)).toEqual([258, 97]);
    expect(asked.encode('<|im_start|>a', true)).toEqual([258, 97]);
    expect(asked.encode('a', false)).toEqual([97]);
    expect(byteLevel({ bos_token: '<|im_start|>' }).encode('a', true)).toEqual([97]);
  });

  it('takes special tokens of a rendered template as single tokens', () => {
    expect(byteLevel().encode('<|im_start|>hi hi<|im_end|>', false)).toEqual([258, 257, 256, 105, 259]);
    expect(byteLevel()).toMatchObject({ eosToken: '<|im_end|>', eosId: 259, bosToken: null, bosId: null });
  });

  it('decodes text exactly, with spaces before marks, and without special tokens or unknown rows', () => {
    const tokenizer = byteLevel({ clean_up_tokenization_spaces: true });
    const text = "a , b . it 's ! 日本 🙂";
    expect(tokenizer.decode([258, ...tokenizer.encode(text, false), 259, 5000, -1])).toBe(text);
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([258])).toBe('');
  });

  it('says which file is missing or broken', () => {
    const open = (files: Record<string, string>) => new Tokenizer(new Map(Object.entries(files)));
    expect(() => open({})).toThrow(MissingFault);
    expect(() => open({})).toThrow(/tokenizer\.json is missing; add it/);
    expect(() => open({ 'vocab.json': '{}' })).toThrow(/vocab\.json alone is not enough/);
    for (const text of ['', '[]', '{', '{"model": 3}', '{"model": {"type": "Nonsense"}}', 'null']) {
      expect(() => open({ 'tokenizer.json': text }), text).toThrow(MalformedFault);
    }
  });
});

describe('TokenStream', () => {
  let stories: Tokenizer;
  beforeAll(async () => {
    stories = new Tokenizer((await loadStories()).sideFiles);
  });
  const streamed = (tokenizer: Tokenizer, ids: readonly number[], context: readonly number[] = []) => {
    const stream = tokenizer.stream(context);
    return [...ids.map((id) => stream.push(id)), stream.finish()];
  };

  it('holds a character back until it is whole', () => {
    const tokenizer = byteLevel();
    expect(streamed(tokenizer, bytesOf('a🙂é'))).toEqual(['a', '', '', '', '🙂', '', 'é', '']);
    const fallback = bytesOf('🙂').map((byte) => byte + 3);
    expect(streamed(stories, fallback)).toEqual(['', '', '', '🙂', '']);
  });

  it('shows bytes that never become a character, once, where they stand', () => {
    const tokenizer = byteLevel();
    expect(streamed(tokenizer, [0xe2, 0x82, 65]).join('')).toBe('\uFFFDA');
    expect(streamed(tokenizer, [65, 0xf0, 0x9f])).toEqual(['A', '', '', '\uFFFD']);
    expect(streamed(tokenizer, bytesOf('x\uFFFDy')).join('')).toBe('x\uFFFDy');
  });

  it('keeps the space that joins a continuation, and drops it at the start of a text', () => {
    const ids = stories.encode('Once upon a time there was', false);
    expect(streamed(stories, ids.slice(4), ids.slice(0, 4)).join('')).toBe(' there was');
    expect(streamed(stories, ids.slice(4), [1, ...ids.slice(0, 4)]).join('')).toBe(' there was');
    expect(streamed(stories, ids.slice(4)).join('')).toBe('there was');
    // A hidden token between two words takes no space away.
    expect(streamed(stories, [...ids.slice(0, 2), 2, ...ids.slice(2)]).join('')).toBe('Once upon a time there was');
  });

  it('hides special tokens', () => {
    expect(streamed(byteLevel(), [258, 257, 259, 256]).join('')).toBe('hi h');
  });

  it('joins to what decoding at once gives, whatever the tokens', () => {
    const tokenizers = [byteLevel(), stories];
    fc.assert(
      fc.property(
        fc.nat(1),
        fc.array(fc.oneof(fc.nat(515), fc.integer({ min: 130, max: 259 })), { maxLength: 40 }),
        fc.nat(40),
        (which, ids, cut) => {
          const tokenizer = tokenizers[which] ?? stories;
          const pieces = streamed(tokenizer, ids);
          expect(pieces.join('')).toBe(tokenizer.decode(ids));
          for (const piece of pieces.slice(0, -1)) expect(piece.endsWith('\uFFFD')).toBe(false);
          // A continuation gives the rest of the whole, where the beginning is not cut inside of a character.
          const [head, tail] = [ids.slice(0, cut), ids.slice(cut)];
          const start = tokenizer.decode(head);
          if (start.endsWith('\uFFFD') || start === '') return;
          expect(start + streamed(tokenizer, tail, head).join('')).toBe(tokenizer.decode(ids));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the text', () => {
    const stream = stories.stream();
    const decode = stories.decode.bind(stories);
    let longest = 0;
    stories.decode = (ids) => {
      longest = Math.max(longest, ids.length);
      return decode(ids);
    };
    for (let i = 0; i < 500; i++) stream.push(261 + (i % 100));
    stories.decode = decode;
    expect(longest).toBeLessThan(10);
  });
});
