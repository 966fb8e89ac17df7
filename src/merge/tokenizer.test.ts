import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { readTensor } from '../formats/checkpoint.ts';
import { decode } from '../formats/codec.ts';
import type { BlendedDtype } from '../formats/dtype.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { check } from './check.ts';
import { planFiles } from './output-files.ts';
import { checkpoint } from './test/checkpoints.ts';

const WIDTH = 3;

/** A model whose row of token number n holds `tag + n` throughout. */
function speaker(
  name: string,
  tag: number,
  plain: readonly string[],
  options: {
    added?: readonly string[];
    rows?: number;
    dtype?: BlendedDtype;
    config?: Record<string, unknown>;
    template?: string;
    bare?: boolean;
  } = {},
): Checkpoint {
  const { added = [], dtype = 'F32' } = options;
  const count = plain.length + added.length;
  const rows = options.rows ?? count;
  const embed = Float64Array.from({ length: rows * WIDTH }, (_, i) => tag + Math.floor(i / WIDTH));
  const values = new Map([
    ['model.embed_tokens.weight', embed],
    ['model.layers.0.mlp.up_proj.weight', new Float64Array(4)],
    ['lm_head.weight', embed.map((x) => -x)],
  ]);
  const shapes = {
    'model.embed_tokens.weight': [rows, WIDTH],
    'model.layers.0.mlp.up_proj.weight': [2, 2],
    'lm_head.weight': [rows, WIDTH],
  };
  const config = { model_type: 'llama', vocab_size: rows, eos_token_id: count - 1, ...options.config };
  const tokenizer = {
    added_tokens: added.map((content, i) => ({ id: plain.length + i, content, special: true })),
    model: { type: 'BPE', vocab: Object.fromEntries(plain.map((token, id) => [token, id])), merges: [] },
  };
  const sideFiles = new Map([
    ['config.json', JSON.stringify(config)],
    ['generation_config.json', JSON.stringify({ eos_token_id: [count - 1] })],
    ...(options.bare
      ? []
      : ([
          ['tokenizer.json', JSON.stringify(tokenizer)],
          [
            'tokenizer_config.json',
            JSON.stringify({
              added_tokens_decoder: {},
              ...(options.template ? { chat_template: options.template } : {}),
            }),
          ],
        ] as const)),
  ]);
  return checkpoint({ name, values, shapes, dtype, config, sideFiles });
}

function checking(text: string, ...checkpoints: Checkpoint[]) {
  return check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
}

function lineupOf(text: string, ...checkpoints: Checkpoint[]) {
  const { lineup, findings } = checking(text, ...checkpoints);
  if (!lineup) throw new Error(findings.map(({ message }) => message).join('\n'));
  return lineup;
}

/** The first element of every row of the embeddings, for each source. */
async function rows(text: string, ...checkpoints: Checkpoint[]): Promise<number[][]> {
  const lineup = lineupOf(text, ...checkpoints);
  const tensor = lineup.tensors.find(({ name }) => name === 'model.embed_tokens.weight');
  return Promise.all(
    (tensor?.sources ?? []).map(async (entry) => {
      const values = decode(await readTensor(entry, 0, entry.end - entry.start), entry.dtype as BlendedDtype);
      return Array.from({ length: entry.shape[0] ?? 0 }, (_, row) => values[row * WIDTH] ?? Number.NaN);
    }),
  );
}

function files(text: string, ...checkpoints: Checkpoint[]) {
  return planFiles(lineupOf(text, ...checkpoints), { name: 'm', recipeText: text, maxShardBytes: 1e9, version: '1' })
    .texts;
}

const tokensOf = (text: string | undefined): Record<string, number> => {
  const json = JSON.parse(text ?? '{}');
  return {
    ...json.model.vocab,
    ...Object.fromEntries(json.added_tokens.map((t: { content: string; id: number }) => [t.content, t.id])),
  };
};

const TASK = 'merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: one}, {model: two}]\n';
const LINEAR = 'merge_method: linear\nmodels: [{model: one}, {model: two}]\n';

describe('rows by token', () => {
  const base = speaker('base', 100, ['a', 'b', 'c']);
  const one = speaker('one', 200, ['b', 'a', 'c', 'x', 'both']);
  const two = speaker('two', 300, ['a', 'b', 'c', 'both', 'y']);

  it('union: own row; else the only model’s; else the base’s; else the mean', async () => {
    const union = `${TASK}tokenizer_source: union\n`;
    expect(tokensOf(files(union, base, one, two).get('tokenizer.json'))).toEqual({
      a: 0,
      b: 1,
      c: 2,
      x: 3,
      both: 4,
      y: 5,
    });
    const mean = (204 + 303) / 2;
    expect(await rows(union, base, one, two)).toEqual([
      [100, 101, 102, 203, mean, 304],
      [201, 200, 202, 203, 204, 304],
      [300, 301, 302, 203, 303, 304],
    ]);
  });

  it('base: what the base has, models that lack a token taking the base’s row', async () => {
    const poor = speaker('two', 300, ['a', 'c']);
    expect(await rows(`${TASK}tokenizer_source: base\n`, base, one, poor)).toEqual([
      [100, 101, 102],
      [201, 200, 202],
      [300, 101, 301],
    ]);
  });

  it('a model’s: its tokens and numbers, and its files', async () => {
    const text = `${TASK}tokenizer_source: one\n`;
    expect(await rows(text, base, one, two)).toEqual([
      [101, 100, 102, 203, (204 + 303) / 2],
      [200, 201, 202, 203, 204],
      [301, 300, 302, 203, 303],
    ]);
    const texts = files(text, base, one, two);
    expect(texts.get('tokenizer.json')).toBe(one.sideFiles.get('tokenizer.json'));
    expect(JSON.parse(texts.get('config.json') ?? '')).toMatchObject({ vocab_size: 5, eos_token_id: 2 });
  });

  it('the recipe’s tokens: named models, single tokens, zeros, and by force', async () => {
    const text = `${TASK}tokenizer:
  source: union
  tokens:
    x: {source: {kind: zero}}
    both: {source: two}
    c: {source: {kind: model_token, model: one, token: x}, force: true}
    new: {source: {kind: model_token, model: two, token_id: 4}}
`;
    expect(await rows(text, base, one, two)).toEqual([
      [100, 101, 203, 0, 303, 304, 304],
      [201, 200, 203, 203, 204, 304, 304],
      [300, 301, 203, 0, 303, 304, 304],
    ]);
    for (const [line, words] of [
      ['c: {source: {kind: model_token, model: one, token: nope}}', 'no token "nope"'],
      ['c: {source: {kind: model_token, model: one, token_id: 99}}', '99'],
      ['c: {source: elsewhere}', 'not among its models'],
    ] as const) {
      const { findings } = checking(`${TASK}tokenizer:\n  tokens:\n    ${line}\n`, base, one, two);
      expect(findings.find(({ severity }) => severity === 'error')?.message).toContain(words);
    }
  });

  it('padding rows stay unless another padding is asked for', async () => {
    const padded = speaker('base', 100, ['a', 'b', 'c'], { rows: 8 });
    const [own] = await rows(`${TASK}tokenizer_source: base\n`, padded, one, two);
    expect(own).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
    const [, first] = await rows(`${TASK}tokenizer: {source: base, pad_to_multiple_of: 4}\n`, padded, one, two);
    expect(first).toEqual([201, 200, 202, 201]);
    const { findings } = checking(`${TASK}tokenizer: {source: base, pad_to_multiple_of: 4}\n`, padded, one, two);
    expect(findings.find(({ code }) => code === 'rows')?.message).toContain('4 token rows, and base has 8');
  });

  it('added tokens keep how they were added, and tokens without rows count as missing', async () => {
    const marked = speaker('one', 200, ['a', 'b', 'c'], { added: ['<s>', '<t>'], rows: 4 });
    const union = `${TASK}tokenizer_source: union\n`;
    const json = JSON.parse(files(union, base, marked, two).get('tokenizer.json') ?? '');
    expect(json.added_tokens.find(({ content }: { content: string }) => content === '<s>')).toMatchObject({
      special: true,
    });
    expect(json.added_tokens.some(({ content }: { content: string }) => content === '<t>')).toBe(false);
    expect(
      JSON.parse(files(union, base, marked, two).get('tokenizer_config.json') ?? '').added_tokens_decoder,
    ).not.toEqual({});
  });

  it('reads any range of the rows alike', async () => {
    const tensor = lineupOf(`${TASK}tokenizer_source: union\n`, base, one, two).tensors.find(
      ({ name }) => name === 'lm_head.weight',
    );
    for (const entry of tensor?.sources ?? []) {
      const whole = await readTensor(entry, 0, entry.end);
      for (let start = 0; start < entry.end; start += 20) {
        const end = Math.min(entry.end, start + 28);
        expect(await readTensor(entry, start, end)).toEqual(whole.slice(start, end));
      }
    }
  });

  it('keeps BF16 where rows only move, and takes F32 where rows are means', () => {
    const models = [
      speaker('base', 1, ['a', 'b'], { dtype: 'BF16' }),
      speaker('one', 2, ['b', 'a'], { dtype: 'BF16' }),
      speaker('two', 3, ['a', 'b'], { dtype: 'BF16' }),
    ];
    const tensor = lineupOf(`${TASK}tokenizer_source: union\n`, ...models).tensors[0];
    expect(tensor?.dtypes).toEqual(['BF16', 'BF16', 'BF16']);
    expect(tensor?.out).toBe('BF16');
    const more = [
      models[0],
      speaker('one', 2, ['a', 'b', 'm'], { dtype: 'BF16' }),
      speaker('two', 3, ['a', 'b', 'm'], { dtype: 'BF16' }),
    ];
    const mixed = lineupOf(`${TASK}tokenizer_source: union\n`, ...(more as Checkpoint[])).tensors[0];
    expect(mixed?.dtypes[0]).toBe('F32');
    expect(mixed?.out).toBe('BF16');
  });

  it('needs a tokenizer.json of the model that lends it', () => {
    const { findings, lineup } = checking(
      `${TASK}tokenizer_source: union\n`,
      speaker('base', 1, ['a', 'b', 'c'], { bare: true }),
      one,
      two,
    );
    expect(lineup).toBeNull();
    expect(findings.find(({ severity }) => severity === 'error')?.message).toContain('base has no tokenizer.json');
  });
});

describe('embeddings of different heights', () => {
  const short = speaker('one', 100, ['a', 'b', 'c']);
  const tall = speaker('two', 200, ['a', 'b', 'c'], { added: ['<im_start>', '<im_end>'] });

  it('are cut to the rows that all have, with a warning that names what is lost', async () => {
    expect(await rows(LINEAR, short, tall)).toEqual([
      [100, 101, 102],
      [200, 201, 202],
    ]);
    const { findings, lineup } = checking(LINEAR, short, tall);
    const found = findings.find(({ code }) => code === 'rows');
    expect(found).toMatchObject({ severity: 'warning' });
    expect(found?.message).toContain('"<im_start>", "<im_end>"');
    expect(found?.message).toContain('tokenizer_source: union');
    expect(lineup?.tensors[0]?.shape).toEqual([3, WIDTH]);
    expect(lineup?.changes.vocabularyRows).toBeNull();
  });

  it('are not cut where the result’s own tokens would lose their rows', () => {
    const { findings, lineup } = checking('merge_method: linear\nmodels: [{model: two}, {model: one}]\n', short, tall);
    expect(lineup).toBeNull();
    expect(findings.find(({ severity }) => severity === 'error')?.message).toContain('two would lose 2 tokens');
  });

  it('are cut where only padding goes, and config follows', () => {
    const padded = speaker('one', 100, ['a', 'b', 'c'], { rows: 8 });
    const plain = speaker('two', 200, ['a', 'b', 'c']);
    expect(lineupOf(LINEAR, padded, plain).tensors[0]?.shape).toEqual([3, WIDTH]);
    expect(JSON.parse(files(LINEAR, padded, plain).get('config.json') ?? '').vocab_size).toBe(3);
  });

  it('are not cut where the same row means another token', () => {
    const other = speaker('two', 200, ['b', 'a', 'c', 'd']);
    const { findings, lineup } = checking(LINEAR, short, other);
    expect(lineup).toBeNull();
    expect(findings.find(({ severity }) => severity === 'error')?.message).toContain('do not mean the same');
  });

  it('are cut without tokenizers, and that is said', () => {
    const bare = (name: string, rowCount: number) => speaker(name, 1, ['a', 'b'], { rows: rowCount, bare: true });
    const { findings, lineup } = checking(LINEAR, bare('one', 6), bare('two', 4));
    expect(lineup?.changes.vocabularyRows).toBe(4);
    expect(findings.find(({ code }) => code === 'rows')?.message).toContain('no tokenizer.json to tell');
  });
});

describe('vocabularies of one size', () => {
  it('that are another language altogether are refused, with what to do', () => {
    const words = (prefix: string) => Array.from({ length: 400 }, (_, i) => `${prefix}${i}`);
    const { findings, lineup } = checking(LINEAR, speaker('one', 1, words('u')), speaker('two', 2, words('v')));
    expect(lineup).toBeNull();
    expect(findings.find(({ code }) => code === 'tokenizer')).toMatchObject({ severity: 'error' });
    expect(
      checking(`${LINEAR}tokenizer_source: union\n`, speaker('one', 1, words('u')), speaker('two', 2, words('v')))
        .lineup,
    ).not.toBeNull();
  });
});

describe('chat templates', () => {
  const models = [
    speaker('base', 1, ['a'], { template: '{{ first }}' }),
    speaker('one', 2, ['a'], { template: '{{ second }}' }),
    speaker('two', 3, ['a'], { template: '{{ second }}' }),
  ];
  const template = (line: string) =>
    JSON.parse(files(`${TASK}${line}`, ...models).get('tokenizer_config.json') ?? '').chat_template;

  it('are the donor’s, the one of most, a known one, or the recipe’s own text', () => {
    expect(template('')).toBe('{{ first }}');
    expect(template('chat_template: auto\n')).toBe('{{ second }}');
    expect(template('chat_template: chatml\n')).toContain('<|im_start|>');
    expect(template("chat_template: '{{ messages[0].content }}'\n")).toBe('{{ messages[0].content }}');
  });
});
