import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { parseRecipe } from '../recipe/yaml.ts';
import { check } from './check.ts';
import { checkpoint, family, TINY_LLAMA, valuesOf } from './test/checkpoints.ts';

function checking(text: string, checkpoints: readonly Checkpoint[]) {
  return check(parseRecipe(text), (name) => checkpoints.find((own) => own.name === name));
}

/** A base and two fine-tunes. */
function trio(): [Checkpoint, Checkpoint, Checkpoint] {
  const [base, one, two] = family(2);
  if (!base || !one || !two) throw new Error('not three');
  return [base, one, two];
}

const VARM = 'merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n  - model: tune-2\n';

function codes(findings: readonly { severity: string; code: string }[]): string[] {
  return findings.map((found) => `${found.severity} ${found.code}`);
}

function without(own: Checkpoint, name: string): Checkpoint {
  const tensors = new Map(own.tensors);
  tensors.delete(name);
  return { ...own, tensors };
}

describe('the pre-flight', () => {
  it('lets siblings through without a word, and reads no weight', () => {
    const models = family(2);
    const { findings, lineup } = checking(VARM, models);
    expect(findings).toEqual([]);
    expect(lineup?.tensors).toHaveLength(Object.keys(TINY_LLAMA).length);
    expect(lineup?.layers).toBe(2);
    expect(models.every((model) => model.file.bytesRead === 0)).toBe(true);
  });

  it('sees no muted model, not even whether it is open', () => {
    const muted = `${VARM}  - model: elsewhere\n    muted: true\n`;
    const { findings, lineup } = checking(muted, family(2));
    expect(findings).toEqual([]);
    expect(lineup?.models.map(({ name }) => name)).toEqual(['tune-1', 'tune-2']);
    expect(lineup?.recipe.muted).toEqual(['elsewhere']);
    const names = (own: typeof lineup) => own?.tensors.map(({ name, perModel }) => [name, perModel]);
    expect(names(lineup)).toEqual(names(checking(VARM, family(2)).lineup));
  });

  it('says which models are muted where too few are left', () => {
    const { findings, lineup } = checking(
      VARM.replace('tune-1', 'tune-1\n    muted: true').replace('tune-2', 'tune-2\n    muted: true'),
      family(2),
    );
    expect(lineup).toBeNull();
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /the recipe has 0 that take part\. tune-1, tune-2 are muted: unmute one of them in the mixer, or remove 'muted: true' in the recipe\.$/,
      ),
    ]);
  });

  it('names a model that is not open', () => {
    const { findings, lineup } = checking(VARM, family(1));
    expect(lineup).toBeNull();
    expect(findings[0]?.message).toContain('tune-2');
  });

  it('refuses parameters that cannot be used together, before any weight is read, and names every tensor', () => {
    const models = family(2);
    const { findings, lineup } = checking(
      `merge_method: della
base_model: base
parameters:
  epsilon: 0.15
models:
  - model: tune-1
    parameters:
      density:
        - filter: mlp
          value: 0.9
        - value: 0.5
  - model: tune-2
`,
      models,
    );
    expect(lineup).toBeNull();
    expect(codes(findings)).toEqual(['error parameters']);
    const [found] = findings;
    expect(found?.message).toContain('choose an epsilon below 0.1');
    expect(found?.tensors).toEqual(Object.keys(TINY_LLAMA).filter((name) => name.includes('mlp')));
    expect(found?.message).toContain('instead of 0.15 (and in 1 more tensor).');
    expect(models.every((model) => model.file.bytesRead === 0)).toBe(true);
  });

  it('says where two name the same tensors with and without a prefix, as GPT-2’s files do', () => {
    const [base, one, two] = trio();
    const renamed = new Map([...two.tensors].map(([name, entry]) => [`transformer.${name}`, entry]));
    const { findings } = checking(VARM, [base, one, { ...two, tensors: renamed }]);
    expect(codes(findings)).toEqual(['error nothing-shared']);
    expect(findings[0]?.message).toMatch(/^tune-2 names its tensors as base does, with 'transformer\.' in front/);
    const other = checking('merge_method: varm\nbase_model: tune-2\nmodels:\n  - model: tune-1\n', [
      one,
      { ...two, tensors: renamed },
    ]);
    expect(other.findings[0]?.message).toMatch(
      /^tune-2 names its tensors as tune-1 does, with 'transformer\.' in front/,
    );
  });

  it('refuses a parameter that float32 cannot hold, before any weight is read', () => {
    const models = family(2);
    const text = (weight: string) =>
      `merge_method: task_arithmetic\nbase_model: base\nmodels:\n  - model: tune-1\n    parameters: {weight: ${weight}}\n`;
    const { findings, lineup } = checking(text('-1e39'), models);
    expect(lineup).toBeNull();
    expect(findings[0]?.message).toMatch(/^weight is -1e\+39 in \S+, and numbers of that size are infinite in float32/);
    expect(checking(text('1e38'), models).findings).toEqual([]);
  });

  it('refuses another width and names the tensors with both shapes', () => {
    const [base, one] = family(1);
    const shapes = {
      ...TINY_LLAMA,
      'model.layers.0.mlp.up_proj.weight': [44, 24],
      'model.layers.1.mlp.up_proj.weight': [44, 24],
    };
    const wide = checkpoint({ name: 'tune-2', values: valuesOf(shapes, 9), shapes });
    const { findings, lineup } = checking(VARM, [base, one, wide] as Checkpoint[]);
    expect(lineup).toBeNull();
    const [found] = findings;
    expect(found?.code).toBe('shape');
    expect(found?.message).toContain('model.layers.0.mlp.up_proj.weight is 40 × 24 in base and 44 × 24 in tune-2');
    expect(found?.tensors).toEqual(['model.layers.0.mlp.up_proj.weight', 'model.layers.1.mlp.up_proj.weight']);
  });

  it('refuses missing tensors, leaves extra ones out with a warning', () => {
    const [base, one, two] = trio();
    expect(codes(checking(VARM, [base, one, without(two, 'model.norm.weight')]).findings)).toEqual([
      'error missing-tensors',
    ]);
    const { findings, lineup } = checking(VARM, [without(base, 'model.norm.weight'), one, two]);
    expect(codes(findings)).toEqual(['warning extra-tensors', 'warning extra-tensors']);
    expect(lineup?.tensors.some((tensor) => tensor.name === 'model.norm.weight')).toBe(false);
  });

  it('takes a tied head from the embeddings where the other stores it', () => {
    const [base, one, two] = trio();
    const tied = { ...without(two, 'lm_head.weight'), config: { model_type: 'llama', tie_word_embeddings: true } };
    const { findings, lineup } = checking(VARM, [base, one, tied]);
    expect(codes(findings)).toContain('note tied');
    const head = lineup?.tensors.find((tensor) => tensor.name === 'lm_head.weight');
    expect(head?.sources[2]?.name).toBe('model.embed_tokens.weight');
  });

  it('says that a head of its own is left out where the donor is tied', () => {
    const [base, one, two] = trio();
    const tied = { model_type: 'llama', tie_word_embeddings: true };
    const bare = { ...without(base, 'lm_head.weight'), config: tied };
    const { findings } = checking(VARM, [bare, { ...without(one, 'lm_head.weight'), config: tied }, two]);
    expect(findings.find((found) => found.code === 'tied')).toMatchObject({ severity: 'warning' });
  });

  it('refuses one model under two names', () => {
    const [base, one] = trio();
    const { findings } = check(parseRecipe(VARM), (name) => (name === 'base' ? base : one));
    expect(codes(findings)).toEqual(['error same-model']);
  });

  it('refuses another architecture, quantised files and a stranger', () => {
    const [base, one, two] = trio();
    expect(codes(checking(VARM, [base, one, { ...two, config: { model_type: 'qwen2' } }]).findings)).toContain(
      'error architecture',
    );
    const quantised = { ...two, config: { model_type: 'llama', quantization_config: { quant_method: 'gptq' } } };
    const found = checking(VARM, [base, one, quantised]).findings.find((own) => own.code === 'quantised');
    expect(found?.message).toContain('gptq');
    const stranger = checkpoint({
      name: 'tune-2',
      values: new Map([['h.0.w', new Float64Array(4)]]),
      shapes: { 'h.0.w': [4] },
    });
    expect(codes(checking(VARM, [base, one, stranger]).findings)).toEqual(['error nothing-shared']);
  });

  it('says which tokens and which settings differ', () => {
    const tokenizer = (vocab: Record<string, number>) =>
      new Map([['tokenizer.json', JSON.stringify({ model: { vocab } })]]);
    const [base, one] = trio();
    const text = 'merge_method: varm\nbase_model: base\nmodels:\n  - model: tune-1\n';
    const { findings } = checking(text, [
      { ...base, sideFiles: tokenizer({ a: 0, b: 1, c: 2 }), config: { model_type: 'llama', rope_theta: 10000 } },
      { ...one, sideFiles: tokenizer({ a: 0, b: 2, d: 3 }), config: { model_type: 'llama', rope_theta: 500000 } },
    ]);
    expect(findings.find((own) => own.code === 'tokenizer')?.message).toMatch(/^3 tokens/);
    expect(findings.find((own) => own.code === 'config')?.message).toContain('rope_theta 500000 instead of 10000');
  });

  it('says that models of other heights are no siblings, whichever is the taller', () => {
    const [base, one, two] = trio();
    const shorter = {
      ...one,
      tensors: new Map([...one.tensors].filter(([name]) => !name.startsWith('model.layers.1.'))),
    };
    expect(checking(VARM, [base, shorter, two]).findings[0]?.message).toContain('It has 1 layers and base 2');
    const bare = {
      ...base,
      tensors: new Map([...base.tensors].filter(([name]) => !name.startsWith('model.layers.1.'))),
    };
    const found = checking(VARM, [bare, one, two]).findings[0];
    expect(found).toMatchObject({ severity: 'error', code: 'layers' });
    expect(found?.message).toContain('passthrough');
  });

  it('names filters that match nothing, shares above one, and densities that are none', () => {
    const models = family(2);
    const text = (share: string, method = 'varm', key = 'share') =>
      `merge_method: ${method}\nbase_model: base\nmodels: [{model: tune-1, parameters: {${key}: ${share}}}, {model: tune-2, parameters: {${key}: 0.6}}]\n`;
    const idle = checking(text('[{filter: slf_attn, value: 0.1}]'), models).findings;
    expect(idle[0]?.message).toContain("Did you mean 'self_attn'");
    expect(checking(text('0.6'), models).findings[0]?.message).toContain('add up to 1.2');
    expect(checking(text('0.4'), models).findings).toEqual([]);
    expect(checking(text('1.5', 'ties', 'density'), models).findings[0]?.message).toContain('density is a share');
  });

  it('copies what only the base has, with a warning, and does not take a missing shard for that', () => {
    const [base, one, two] = trio();
    const lean = (own: Checkpoint, pattern: RegExp): Checkpoint => ({
      ...own,
      tensors: new Map([...own.tensors].filter(([name]) => !pattern.test(name))),
    });
    const all = /input_layernorm/;
    const { lineup, findings } = checking(VARM, [base, lean(one, all), lean(two, all)]);
    expect(codes(findings)).toEqual(['warning missing-tensors', 'warning missing-tensors']);
    expect(lineup?.copied.map(({ name }) => name)).toEqual([
      'model.layers.0.input_layernorm.weight',
      'model.layers.1.input_layernorm.weight',
    ]);
    const some = /layers\.1\.input_layernorm/;
    expect(checking(VARM, [base, lean(one, some), lean(two, some)]).lineup).toBeNull();
  });

  it('says once that the donor has no config, however many models there are', () => {
    const [base, one, two] = trio();
    const bare = { ...base, config: null };
    expect(codes(checking(VARM, [bare, one, two]).findings)).toEqual(['warning config']);
    const alone = 'merge_method: linear\nmodels:\n  - model: base\n    parameters: {weight: 1}\n';
    expect(codes(checking(alone, [bare]).findings)).toEqual(['warning config']);
  });

  it('refuses weights that add up to zero before anything is read', () => {
    const models = family(2);
    const text =
      'merge_method: linear\nmodels:\n  - model: tune-1\n    parameters: {weight: 1}\n  - model: tune-2\n    parameters: {weight: -1}\n';
    const { findings, lineup } = checking(text, models);
    expect(lineup).toBeNull();
    expect(findings[0]?.message).toContain('model.embed_tokens.weight');
    expect(models.every((model) => model.file.bytesRead === 0)).toBe(true);
  });

  it('promotes mixed dtypes in linear as PyTorch does, and keeps the base’s with a base', () => {
    const values = valuesOf(TINY_LLAMA, 1);
    const mixed = [
      checkpoint({ name: 'base', values, dtype: 'BF16' }),
      checkpoint({ name: 'tune-1', values, dtype: 'F16' }),
      checkpoint({ name: 'tune-2', values, dtype: 'F32' }),
    ];
    expect(checking(VARM, mixed).lineup?.tensors.every((tensor) => tensor.out === 'BF16')).toBe(true);
    const linear = 'merge_method: linear\nmodels:\n  - model: tune-1\n  - model: base\n';
    expect(checking(linear, mixed).lineup?.tensors.every((tensor) => tensor.out === 'F32')).toBe(true);
    expect(
      checking(`${linear}out_dtype: float16\n`, mixed).lineup?.tensors.every((tensor) => tensor.out === 'F16'),
    ).toBe(true);
  });
});
