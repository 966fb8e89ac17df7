import { describe, expect, it } from 'vitest';
import { MalformedFault, MissingFault, UnsupportedFault } from '../bytes/fault.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import goldens from './test/tokenizers.json';
import { Tokenizer } from './tokenizer.ts';
import { hasTokenizer } from './tokenizer-files.ts';

type Files = Readonly<Record<string, string | { readonly base64: string } | undefined>>;

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

function open(files: Files): Promise<Tokenizer> {
  const texts = new Map<string, string>();
  const binaries = new Map();
  for (const [name, file] of Object.entries(files)) {
    if (typeof file === 'string') texts.set(name, file);
    else if (file) binaries.set(name, memoryBytes(name, bytesOf(file.base64)));
  }
  return Tokenizer.open(texts, binaries);
}

/** The library trims what it decodes of GPT-1; everything else is exact. */
const trimmed = (name: string, text: string) => (name === 'GPT-1' ? text.trim() : text);

describe.each(goldens)('the tokenizer of $name', ({ name, files, texts }) => {
  it.each(texts as [string, number[], string][])('gives the numbers of %j', async (text, ids, back) => {
    const tokenizer = await open(files as Files);
    const got = tokenizer.encode(text, false);
    expect(got).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(trimmed(name, back));
  });

  it('gives the text of a continuation, token by token', async () => {
    const tokenizer = await open(files as Files);
    for (const [, ids] of texts as [string, number[], string][]) {
      const whole = tokenizer.decode(ids);
      for (let cut = 0; cut <= ids.length; cut++) {
        const start = tokenizer.decode(ids.slice(0, cut));
        // A beginning that ends inside of a character, or that has no text, joins to nothing.
        if (start.endsWith('\uFFFD') || (start === '' && cut > 0) || !whole.startsWith(start)) continue;
        const stream = tokenizer.stream(ids.slice(0, cut));
        const rest = [...ids.slice(cut).map((id) => stream.push(id)), stream.finish()].join('');
        expect(start + rest).toBe(whole);
      }
    }
  });
});

describe('files of a tokenizer', () => {
  const gpt2 = goldens[0]?.files as Files;
  const vocabulary = JSON.parse(String(gpt2['vocab.json'])) as Record<string, number>;

  it('tells the kind by the model or by the vocabulary where no class is named', async () => {
    const qwen = await open({ ...gpt2, 'tokenizer_config.json': undefined, 'config.json': '{"model_type": "qwen2"}' });
    expect(qwen.encode('\n\nthe', false)).toEqual([265, 116, 257]);
    const plain = await open({ ...gpt2, 'tokenizer_config.json': undefined });
    expect(plain.encode('\n\nthe', false)).toEqual([10, 10, 116, 257]);
    const words = goldens.find(({ name }) => name === 'GPT-1');
    const old = await open({ ...(words?.files as Files), 'tokenizer_config.json': undefined });
    expect(old.encode('Hello there', false)).toEqual(words?.texts.find(([text]) => text === 'Hello there')?.[1]);
  });

  it('knows the special tokens of a kind, of its files, and those that were added', async () => {
    const plain = await open(gpt2);
    const end = vocabulary['<|endoftext|>'];
    expect(plain).toMatchObject({ bosToken: '<|endoftext|>', eosId: end });
    expect(plain.encode('the', true)).toEqual(plain.encode('the', false));
    const more = await open({
      ...gpt2,
      'added_tokens.json': '{"<|im_start|>": 400, "  ": 401}',
      'special_tokens_map.json': '{"eos_token": {"content": "<|im_start|>"}}',
    });
    expect(more.eosId).toBe(400);
    expect(more.encode('a<|im_start|>b', false)).toEqual([97, 400, 98]);
    expect(more.encode('a  b', false)).toEqual([97, 401, 98]);
    expect(more.decode([97, 400, 401, 98])).toBe('a  b');
    const decoder = { 500: { content: '<user>', special: true }, 501: { content: 'keep', special: false } };
    const config = JSON.stringify({ added_tokens_decoder: decoder, add_bos_token: true });
    const newer = await open({ ...gpt2, 'tokenizer_config.json': config });
    expect(newer.encode('x<user>keep', false)).toEqual([120, 500, 501]);
    expect(newer.decode([120, 500, 501])).toBe('xkeep');
    expect(newer.encode('x', true)).toEqual([end, 120]);
  });

  it.each([
    ['stoi of meta.json', { 'meta.json': JSON.stringify({ vocab_size: 4, stoi: { '\n': 0, ' ': 1, a: 2, '🙂': 3 } }) }],
    ['itos of meta.json', { 'meta.json': JSON.stringify({ itos: { 0: '\n', 1: ' ', 2: 'a', 3: '🙂' } }) }],
    ['a list in meta.json', { 'meta.json': JSON.stringify({ itos: ['\n', ' ', 'a', '🙂'] }) }],
    ['vocab.json', { 'vocab.json': JSON.stringify({ '\n': 0, ' ': 1, a: 2, '🙂': 3, '<s>': 4 }) }],
  ])('make a tokenizer of characters: %s', async (_, files) => {
    const tokenizer = await open(files);
    expect(tokenizer.encode('a 🙂\na  a', true)).toEqual([2, 1, 3, 0, 2, 1, 1, 2]);
    expect(tokenizer.decode([2, 1, 3, 0, 2, 1, 1, 2])).toBe('a 🙂\na  a');
    expect(tokenizer.stream().push(1)).toBe(' ');
    expect(() => tokenizer.encode('ab', true)).toThrow(UnsupportedFault);
    expect(() => tokenizer.encode('ab', true)).toThrow(/no token for the character "b"/);
  });

  it('may mark the ends of a text of characters', async () => {
    const tokenizer = await open({ 'vocab.json': JSON.stringify({ '<s>': 0, a: 1, '[END]': 2 }) });
    expect(tokenizer.encode('<s>aa[END]', false)).toEqual([0, 1, 1, 2]);
    expect(tokenizer.decode([0, 1, 1, 2])).toBe('aa');
    expect(() => tokenizer.encode('<s>a<', false)).toThrow(UnsupportedFault);
  });

  it('may leave out the type of a BPE model, as the oldest do', async () => {
    const model = { vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
    const tokenizer = await open({ 'tokenizer.json': JSON.stringify({ model }) });
    expect(tokenizer.encode('abba', false)).toEqual([2, 1, 0]);
  });

  it('make a tokenizer of characters by their codes', async () => {
    const config = JSON.stringify({ tokenizer_class: 'CharacterTokenizer', char_ords: [65, 67, 128578] });
    const tokenizer = await open({ 'tokenizer_config.json': config });
    expect(tokenizer.encode('CA🙂?[BOS]', false)).toEqual([8, 7, 9, 6, 2]);
    expect(tokenizer.decode([2, 8, 7, 9])).toBe('CA🙂');
  });

  it('put a beginning before text for SentencePiece', async () => {
    const files = goldens.find(({ name }) => name.startsWith('SentencePiece as'))?.files as Files;
    const tokenizer = await open(files);
    expect(tokenizer).toMatchObject({ bosToken: '<s>', eosToken: '</s>', bosId: 1, eosId: 2 });
    expect(tokenizer.encode('the', true)).toEqual([1, 262]);
    expect(tokenizer.encode('<s>the', true)).toEqual([1, 262]);
    const without = await open({ ...files, 'tokenizer_config.json': '{"add_bos_token": false}' });
    expect(without.encode('the', true)).toEqual([262]);
  });

  it('are refused in words where they are broken or of a kind that is not read', async () => {
    await expect(open({})).rejects.toBeInstanceOf(MissingFault);
    await expect(open({ 'merges.txt': '' })).rejects.toThrow(/merges\.txt alone is not enough/);
    await expect(open({ ...gpt2, 'merges.txt': 'a b\nc\n' })).rejects.toThrow(/line 2/);
    await expect(open({ ...gpt2, 'vocab.json': '{"a": "x"}' })).rejects.toBeInstanceOf(MalformedFault);
    await expect(open({ 'vocab.txt': '' })).rejects.toBeInstanceOf(MalformedFault);
    await expect(open({ 'meta.json': '{"stoi": {"a": -1}}' })).rejects.toBeInstanceOf(MalformedFault);
    await expect(open({ 'meta.json': 'no json' })).rejects.toBeInstanceOf(MissingFault);
    for (const base64 of ['', 'AAAA', '//////////////////////8=', btoa('{"model": 1}'), 'CgMKAWE=']) {
      await expect(open({ 'tokenizer.model': { base64 } }), base64).rejects.toBeInstanceOf(MalformedFault);
    }
    // A unigram model: one unknown piece, and the trainer's model_type 1.
    const unigram = { base64: btoa('\x0a\x07\x0a\x03unk\x18\x02\x12\x02\x18\x01') };
    await expect(open({ 'tokenizer.model': unigram })).rejects.toThrow(/is no BPE model; add the tokenizer\.json/);
  });

  it('are found or not', () => {
    const has = (...names: string[]) => hasTokenizer(new Map(names.map((name) => [name, '{"a": 0}'])));
    expect(has('tokenizer.json')).toBe(true);
    expect(has('vocab.json', 'merges.txt')).toBe(true);
    expect(has('vocab.json')).toBe(true);
    expect(has('vocab.txt')).toBe(true);
    expect(has('merges.txt')).toBe(false);
    expect(has('meta.json')).toBe(false);
    expect(hasTokenizer(new Map([['vocab.json', '{"ab": 0}']]))).toBe(false);
    expect(hasTokenizer(new Map(), ['tokenizer.model'])).toBe(true);
    expect(hasTokenizer(new Map())).toBe(false);
  });
});

describe('the text of one token', () => {
  it('keeps its space, and names what is no text', async () => {
    const gpt2 = await open(goldens[0]?.files as Files);
    expect([258, 257, 10, 272, 9999].map((id) => gpt2.tokenText(id))).toEqual([
      ' the',
      'he',
      '\n',
      '<|endoftext|>',
      '[9999]',
    ]);
    expect(gpt2.tokenText(0xe2)).not.toContain('\uFFFD');
    const llama = await open(goldens.find(({ name }) => name.startsWith('SentencePiece as'))?.files as Files);
    expect([262, 261, 1, 3 + 0xe2].map((id) => llama.tokenText(id))).toEqual([' the', 'he', '<s>', '<0xE2>']);
    const old = await open(goldens.find(({ name }) => name === 'GPT-1')?.files as Files);
    expect(
      old
        .encode('hello then a', false)
        .map((id) => old.tokenText(id))
        .join(''),
    ).toBe('hello then a ');
  });
});
