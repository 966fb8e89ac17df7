import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CountingBytes, countingBytes } from '../bytes/counting-bytes.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { isOpenable, openCheckpoints, uniqueName } from './open.ts';
import { planShards, type TensorSpec } from './safetensors-writer.ts';
import { MAX_SIDE_FILE_BYTES } from './side-files.ts';

const fixtures = new URL('../../e2e/fixtures/models/', import.meta.url);

type Given = { path: string; bytes: CountingBytes };

function given(path: string, content: string | Uint8Array): Given {
  const data = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { path, bytes: countingBytes(memoryBytes(path, data)) };
}

function folder(name: string, as = name): Given[] {
  const directory = new URL(`${name}/`, fixtures);
  return readdirSync(directory).map((file) => given(`${as}/${file}`, readFileSync(new URL(file, directory))));
}

const spec = (name: string): TensorSpec => ({ name, dtype: 'F32', shape: [4] });

/** The weight files of a model, 16 bytes of data in each, and the index where there are several. */
function weights(prefix: string, tensors: readonly string[], perShard = 100): Given[] {
  const plan = planShards(tensors.map(spec), { maxShardBytes: 16 * perShard });
  const files = plan.shards.map((shard) => {
    const data = new Uint8Array(shard.sizeBytes);
    data.set(shard.header);
    return given(`${prefix}${shard.fileName}`, data);
  });
  return plan.index ? [...files, given(`${prefix}${plan.index.fileName}`, plan.index.text)] : files;
}

/** One weight file of any name. */
function single(path: string, tensors: readonly string[] = ['w']): Given {
  const [file] = weights('', tensors);
  if (!file) throw new Error('no file');
  return { path, bytes: countingBytes({ name: path, size: file.bytes.size, slice: file.bytes.slice }) };
}

/** What came of it, in short. */
async function open(files: readonly Given[], taken: string[] = []) {
  const { checkpoints, faults } = await openCheckpoints(files, taken);
  return {
    names: checkpoints.map(({ name }) => name),
    faults: faults.map(({ file, report }) => ({ file, code: report.code, message: report.message })),
    checkpoints,
  };
}

describe('real folders', () => {
  it('opens a dropped folder by its name, from headers and side files alone', async () => {
    const files = folder('stories260K-llama');
    const { checkpoints, faults } = await openCheckpoints(files);
    expect(faults).toEqual([]);
    expect(checkpoints).toHaveLength(1);
    const [checkpoint] = checkpoints;
    expect(checkpoint).toMatchObject({
      name: 'stories260K-llama',
      totalBytes: 1_040_128,
      weightFiles: ['model.safetensors'],
      config: { model_type: 'llama', hidden_size: 64 },
    });
    expect([...(checkpoint?.sideFiles.keys() ?? [])]).toEqual([
      'config.json',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
    ]);
    const read = files.find(({ path }) => path.endsWith('model.safetensors'))?.bytes;
    expect(read?.bytesRead).toBe(8 + 4856);
  });

  it('keeps the files of older tokenizers, and lets meta.json be anything', async () => {
    const { checkpoints, faults } = await openCheckpoints([
      ...folder('odd-alignment'),
      given('odd-alignment/vocab.txt', 'a\nb\n'),
      given('odd-alignment/vocab.json', '{"a": 0}'),
      given('odd-alignment/merges.txt', '#version: 0.2\n'),
      given('odd-alignment/meta.json', '[1, 2'),
    ]);
    expect(faults).toEqual([]);
    expect([...(checkpoints[0]?.sideFiles ?? [])]).toEqual([
      ['vocab.json', '{"a": 0}'],
      ['merges.txt', '#version: 0.2\n'],
      ['vocab.txt', 'a\nb\n'],
      ['meta.json', '[1, 2'],
    ]);
  });

  it('opens several folders at once, each on its own', async () => {
    const { names, faults } = await open([
      ...folder('llama2xs-500it', 'models/llama2xs-500it'),
      ...folder('stories260K-llama', 'models/stories260K-llama'),
      ...folder('odd-alignment', 'models/deep/odd-alignment'),
      given('models/README.md', '# Models'),
    ]);
    expect(names.sort()).toEqual(['llama2xs-500it', 'odd-alignment', 'stories260K-llama']);
    expect(faults).toEqual([]);
  });

  it('has no config where there is none', async () => {
    const { checkpoints } = await open(folder('odd-alignment'));
    expect(checkpoints[0]).toMatchObject({ name: 'odd-alignment', config: null });
    expect(checkpoints[0]?.sideFiles.size).toBe(0);
  });

  it('judges loose files one by one', async () => {
    const files = folder('safetensors-edge').map(({ path, bytes }) => ({
      path: path.split('/').at(-1) ?? path,
      bytes,
    }));
    const { names, faults } = await open(files);
    expect(names).toEqual(['test_deserialization_0', 'test_empty_shapes_allowed_0', 'test_zero_sized_tensor_0']);
    expect(faults).toHaveLength(12);
    expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(['malformed']));
  });
});

describe('shards', () => {
  const tensors = ['a', 'b', 'c', 'd', 'e'];

  it('are one checkpoint with their index, in the order of the files', async () => {
    const files = weights('big/', tensors, 2);
    const { checkpoints, faults } = await open([...files].reverse());
    expect(faults).toEqual([]);
    expect(checkpoints).toHaveLength(1);
    expect(checkpoints[0]).toMatchObject({ name: 'big', totalBytes: 80 });
    expect([...(checkpoints[0]?.tensors.keys() ?? [])]).toEqual(tensors);
    expect(checkpoints[0]?.weightFiles).toEqual([1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`));
  });

  it.each(['big/', ''])('are one checkpoint without an index too (in "%s")', async (prefix) => {
    const files = weights(prefix, tensors, 2).filter(({ path }) => !path.endsWith('.json'));
    const { checkpoints, faults } = await open(files);
    expect(faults).toEqual([]);
    expect(checkpoints.map(({ name, tensors: { size } }) => [name, size])).toEqual([[prefix ? 'big' : 'model', 5]]);
  });

  it.each([true, false])('that are missing are named (index: %s)', async (withIndex) => {
    const files = weights('', tensors, 2).filter(
      ({ path }) => !path.includes('00002-of') && (withIndex || !path.endsWith('.json')),
    );
    const { names, faults } = await open(files);
    expect(names).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ code: 'missing' });
    expect(faults[0]?.message).toContain('needs model-00002-of-00003.safetensors beside it');
  });

  it('of an index alone are all missing', async () => {
    const { faults } = await open(weights('m/', tensors, 2).filter(({ path }) => path.endsWith('.json')));
    expect(faults).toMatchObject([{ file: 'm/model.safetensors.index.json', code: 'missing' }]);
  });

  it('may be named by an index that lists a file of any name', async () => {
    const index = JSON.stringify({ weight_map: { w: 'x.safetensors', v: 'y.safetensors' } });
    const files = [single('x.safetensors', ['w']), single('y.safetensors', ['v'])];
    const { names, faults } = await open([...files, given('set.safetensors.index.json', index)]);
    expect({ names, faults }).toEqual({ names: ['set'], faults: [] });
  });

  it('with a tensor in two of them are refused', async () => {
    const { names, faults } = await open([
      single('m/model-00001-of-00002.safetensors', ['same', 'a']),
      single('m/model-00002-of-00002.safetensors', ['same', 'b']),
    ]);
    expect(names).toEqual([]);
    expect(faults).toMatchObject([{ code: 'malformed' }]);
    expect(faults[0]?.message).toMatch(/"same" is both in .*00001-of.* and in .*00002-of/);
  });

  it.each([
    [
      'is not there',
      { a: 'model-00001-of-00001.safetensors', gone: 'model-00001-of-00001.safetensors' },
      /"gone" is in m\/model-00001-of-00001\.safetensors.*not there/,
    ],
    [
      'is said to be elsewhere',
      { a: 'model-00001-of-00001.safetensors', b: 'other.safetensors' },
      /"b" is in m\/other.*it is in m\/model/,
    ],
  ])('of which a tensor %s are refused', async (_, map, reason) => {
    const { names, faults } = await open([
      single('m/model-00001-of-00001.safetensors', ['a', 'b']),
      single('m/other.safetensors', ['c']),
      given('m/model.safetensors.index.json', JSON.stringify({ weight_map: map })),
    ]);
    expect(names).not.toContain('m');
    expect(faults).toMatchObject([{ code: 'malformed' }]);
    expect(faults[0]?.message).toMatch(reason);
  });

  it.each([
    ['no JSON', '{"weight_map": ', /not sound JSON/],
    ['no map', '{"metadata": {}}', /no "weight_map"/],
    ['an empty map', '{"weight_map": {}}', /lists no tensors/],
    ['numbers for files', '{"weight_map": {"a": 1}}', /not a .safetensors file/],
    ['PyTorch files', '{"weight_map": {"a": "pytorch_model.bin"}}', /not a .safetensors file/],
  ])('are not opened behind the back of an index with %s', async (_, text, reason) => {
    const files = weights('m/', tensors, 2).filter(({ path }) => !path.endsWith('.json'));
    const { names, faults } = await open([...files, given('m/model.safetensors.index.json', text)]);
    expect(names).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ file: 'm/model.safetensors.index.json', code: 'malformed' });
    expect(faults[0]?.message).toMatch(reason);
  });

  it('numbered beyond their count are refused', async () => {
    const { names, faults } = await open([single('model-00003-of-00002.safetensors')]);
    expect(names).toEqual([]);
    expect(faults[0]?.message).toContain('numbered outside 1 to 2');
  });

  it('of two models among loose files stay apart', async () => {
    const { names, faults } = await open([
      single('a-00001-of-00002.safetensors', ['a']),
      single('b-00001-of-00001.safetensors', ['a']),
      single('a-00002-of-00002.safetensors', ['b']),
    ]);
    expect({ names, faults }).toEqual({ names: ['a', 'b'], faults: [] });
  });
});

describe('names', () => {
  it('are the files where files are loose', async () => {
    const { names } = await open([single('base.safetensors'), single('tuned.safetensors')]);
    expect(names).toEqual(['base', 'tuned']);
  });

  it.each([
    ['models/tuned', 'tuned'],
    ['C:\\models\\Tuned', 'Tuned'],
    ['', 'model'],
    ['..', 'model'],
  ])('of a loose model come from its config (%s)', async (origin, wanted) => {
    const config = given('config.json', JSON.stringify({ _name_or_path: origin }));
    const { names, checkpoints } = await open([single('model.safetensors'), config]);
    expect(names).toEqual([wanted]);
    expect(checkpoints[0]?.config).toEqual({ _name_or_path: origin });
  });

  it('of a loose file stay its own beside a config', async () => {
    const { names, checkpoints } = await open([single('tuned.safetensors'), given('config.json', '{"a": 1}')]);
    expect(names).toEqual(['tuned']);
    expect(checkpoints[0]?.config).toEqual({ a: 1 });
  });

  it('are the folder for its model and the file for others beside it', async () => {
    const { names } = await open([single('m/extra.safetensors'), single('m/model.safetensors')]);
    expect(names.sort()).toEqual(['extra', 'm']);
  });

  it('are the folder for its only weights where a config makes it a model', async () => {
    expect((await open([single('m/weights.safetensors'), given('m/config.json', '{}')])).names).toEqual(['m']);
    expect((await open([single('m/weights.safetensors')])).names).toEqual(['weights']);
  });

  it('are read from the paths of the Hub cache', async () => {
    const path = '.cache/hub/models--org--Tiny-Llama/snapshots/0123abc/model.safetensors';
    expect((await open([single(path)])).names).toEqual(['Tiny-Llama']);
  });

  it('are unique, also among those that were open before', async () => {
    const files = [single('a/final/model.safetensors'), single('b/final/model.safetensors')];
    expect((await open(files, ['final'])).names).toEqual(['final (2)', 'final (3)']);
    expect(uniqueName('x', new Set(['x', 'x (2)']))).toBe('x (3)');
  });
});

describe('side files', () => {
  const beside = (name: string, content: string | Uint8Array) =>
    open([single('m/model.safetensors'), single('other/model.safetensors'), given(`m/${name}`, content)]);

  it.each([
    ['config.json', '{"a": ', /m\/config.json is not sound JSON/],
    ['config.json', '[1]', /not a JSON object/],
    ['generation_config.json', '', /generation_config.json is not sound JSON/],
    ['tokenizer.json', 'version https://git-lfs.github.com/spec/v1\noid sha256:1\n', /Git LFS pointer/],
    ['merges.txt', Uint8Array.of(0xff, 0xfe, 0), /merges.txt is not UTF-8/],
  ])('that are broken stop their own checkpoint only: %s %j', async (name, content, reason) => {
    const { names, faults } = await beside(name, content);
    expect(names).toEqual(['other']);
    expect(faults).toMatchObject([{ file: `m/${name}`, code: 'malformed' }]);
    expect(faults[0]?.message).toMatch(reason);
  });

  it.each(['', '{"model": {"type": "BPE"', '[1]'])(
    'that only chat reads stop no checkpoint: tokenizer.json %j',
    async (content) => {
      const { checkpoints, faults } = await openCheckpoints([
        single('m/model.safetensors'),
        given('m/tokenizer.json', content),
      ]);
      expect(faults).toEqual([]);
      const [checkpoint] = checkpoints;
      expect(checkpoint?.sideFiles.get('tokenizer.json')).toBe(content);
      expect(checkpoint?.brokenSideFiles?.get('tokenizer.json')).toMatch(
        /^m\/tokenizer\.json is not (sound JSON|a JSON object).*; mend it or fetch it again\.$/,
      );
    },
  );

  it('above the ceiling are refused unread', async () => {
    const huge = { ...given('m/tokenizer.json', '{}') };
    let reads = 0;
    const bytes = {
      name: huge.path,
      size: MAX_SIDE_FILE_BYTES + 1,
      slice: () => {
        reads++;
        return Promise.reject(new Error('read'));
      },
    };
    const { checkpoints, faults } = await openCheckpoints([single('m/model.safetensors'), { path: huge.path, bytes }]);
    expect(checkpoints).toEqual([]);
    expect(faults).toMatchObject([{ file: 'm/tokenizer.json', report: { code: 'unsupported' } }]);
    expect(reads).toBe(0);
  });

  it('that are not text are listed and not read', async () => {
    const file = given('m/tokenizer.model', Uint8Array.of(0xff));
    const { checkpoints } = await open([single('m/model.safetensors'), file]);
    expect([...(checkpoints[0]?.binarySideFiles?.keys() ?? [])]).toEqual(['tokenizer.model']);
    expect(checkpoints[0]?.sideFiles.has('tokenizer.model')).toBe(false);
    expect(file.bytes.reads).toEqual([]);
  });

  it('may begin with a byte order mark', async () => {
    expect((await beside('config.json', '\ufeff{"a": 1}')).checkpoints[0]?.config).toEqual({ a: 1 });
  });

  it('that nobody needs are not read', async () => {
    const readme = given('m/README.md', 'x');
    const hidden = given('m/.gitattributes', 'x');
    const picture = given('m/logo.png', 'x');
    expect((await open([single('m/model.safetensors'), readme, hidden, picture])).faults).toEqual([]);
    for (const { bytes } of [readme, hidden, picture]) expect(bytes.reads).toEqual([]);
  });
});

describe('what is left out or refused', () => {
  it.each([
    'm/.cache/model.safetensors',
    'm/onnx/model.safetensors',
    'm/__MACOSX/model.safetensors',
    'm/._model.safetensors',
  ])('passes over %s', async (path) => {
    expect(await open([single('m/model.safetensors'), single(path)])).toMatchObject({ names: ['m'], faults: [] });
  });

  it('opens a folder called logs where it is the one that was dropped', async () => {
    expect((await open([single('logs/model.safetensors')])).names).toEqual(['logs']);
  });

  it("passes over Mistral's second edition of the same weights", async () => {
    const files = [single('m/model.safetensors'), single('m/consolidated.safetensors')];
    expect((await open(files)).names).toEqual(['m']);
    expect((await open(files.slice(1))).names).toEqual(['consolidated']);
  });

  it('refuses a LoRA adapter by its name or by its tensors, and opens the model beside it', async () => {
    const tensors = ['base_model.model.q_proj.lora_A.weight', 'base_model.model.q_proj.lora_B.weight'];
    const { names, faults } = await open([
      single('m/model.safetensors'),
      single('m/adapter_model.safetensors', tensors),
      single('renamed.safetensors', tensors),
    ]);
    expect(names).toEqual(['m']);
    expect(faults.map(({ file, code }) => [file, code])).toEqual([
      ['renamed.safetensors', 'unsupported'],
      ['m/adapter_model.safetensors', 'unsupported'],
    ]);
    for (const { message } of faults) expect(message).toContain('LoRA adapter');
  });

  it.each([
    ['m/pytorch_model.bin', 'PK\x03\x04\0\0\x08\x08', /m\/pytorch_model.bin is a zip archive/],
    ['m.gguf', 'GGUF\x03\0\0\0', /m.gguf is a GGUF file/],
    ['m/tf_model.h5', '????', /not safetensors/],
  ])('says what %s is', async (path, content, reason) => {
    const { names, faults } = await open([given(path, content)]);
    expect(names).toEqual([]);
    expect(faults).toMatchObject([{ file: path, code: 'unsupported' }]);
    expect(faults[0]?.message).toMatch(reason);
  });

  it('says nothing of PyTorch files beside safetensors', async () => {
    const { names, faults } = await open([
      single('m/model.safetensors'),
      given('m/pytorch_model.bin', 'PK'),
      given('m/original/consolidated.00.pth', 'PK'),
    ]);
    expect({ names, faults }).toEqual({ names: ['m'], faults: [] });
  });

  it('says that a config came without weights', async () => {
    const { faults } = await open([given('m/config.json', '{}'), single('n/model.safetensors')]);
    expect(faults).toMatchObject([{ file: 'm/config.json', code: 'missing' }]);
  });

  it('says that there was nothing, and nothing of nothing', async () => {
    expect((await open([given('a.txt', 'x'), given('b.txt', 'y')])).faults).toMatchObject([{ code: 'missing' }]);
    expect(await open([])).toMatchObject({ names: [], faults: [] });
  });

  it('asks for folders where two files have one path', async () => {
    const { names, faults } = await open([single('m/model.safetensors'), single('m/model.safetensors')]);
    expect(names).toEqual(['m']);
    expect(faults).toMatchObject([{ code: 'unsupported' }]);
  });

  it('begins another model where the name of a picked file comes again', async () => {
    const config = (type: string) => ({
      path: 'config.json',
      bytes: memoryBytes('config.json', new TextEncoder().encode(JSON.stringify({ model_type: type }))),
    });
    const weights = () => single('model.safetensors');
    const { checkpoints, faults } = await openCheckpoints([
      config('a'),
      weights(),
      weights(),
      config('b'),
      single('other.safetensors'),
      weights(),
    ]);
    expect(faults).toEqual([]);
    const found = checkpoints.map((own) => [own.name, own.config?.model_type ?? null]);
    expect(found).toEqual([
      ['model', 'a'],
      ['model (2)', 'b'],
      ['other', 'b'],
      ['model (3)', null],
    ]);
  });

  it('refuses a file of no tensors', async () => {
    expect((await open([single('m/model.safetensors', [])])).faults).toMatchObject([{ code: 'malformed' }]);
  });

  it('knows which names are worth opening', () => {
    expect(['model.safetensors', 'config.json', 'tokenizer.model', 'x.gguf'].every(isOpenable)).toBe(true);
    expect(['README.md', 'logo.png', 'fusewright.yml'].some(isOpenable)).toBe(false);
  });
});
