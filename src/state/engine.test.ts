import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { planShards } from '../formats/safetensors-writer.ts';
import { Engine } from './engine.ts';

const newEngine = () => new Engine({ gpu: null, startKernelWorkers: () => [] });

const WHOLE = new Uint8Array(readFileSync('e2e/fixtures/models/odd-alignment/model.safetensors'));

const loose = (name: string, bytes: Uint8Array<ArrayBuffer>) => ({ path: name, file: new File([bytes], name) });

/** A model in two shards, as loose files. */
function shards() {
  const specs = ['a', 'b'].map((name) => ({ name, shape: [4], dtype: 'F32' as const }));
  const { shards: planned } = planShards(specs, { maxShardBytes: 16 });
  return planned.map(({ fileName, header, sizeBytes }) => {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(header);
    return loose(fileName, bytes);
  });
}

describe('adding files', () => {
  it('takes additions that overlap one after another', async () => {
    const engine = newEngine();
    const answers = await Promise.all([1, 2, 3].map(() => engine.add([loose('model.safetensors', WHOLE)])));
    expect(answers.flatMap(({ added }) => added.map(({ name }) => name))).toEqual(['model', 'model (2)', 'model (3)']);
  });

  it('does not bring back what is removed meanwhile', async () => {
    const engine = newEngine();
    await engine.add([loose('one.safetensors', WHOLE)]);
    await Promise.all([engine.add([loose('two.safetensors', WHOLE)]), engine.remove('one')]);
    const { added } = await engine.add([loose('one.safetensors', WHOLE)]);
    expect(added.map(({ name }) => name)).toEqual(['one']);
  });

  it('says what a shard lacks, and takes it back when the other comes', async () => {
    const engine = newEngine();
    const [first, second] = shards();
    if (!first || !second) throw new Error('not sharded');
    const alone = await engine.add([first]);
    expect(alone.added).toEqual([]);
    expect(alone.faults).toHaveLength(1);
    const [fault] = alone.faults;
    const both = await engine.add([second]);
    expect(both.added).toHaveLength(1);
    expect(both).toMatchObject({ faults: [], settled: [`${fault?.file}: ${fault?.report.message}`] });
  });

  it('tells of a broken file once, not again with the next', async () => {
    const engine = newEngine();
    const broken = await engine.add([loose('broken.safetensors', WHOLE.slice(0, 40))]);
    expect(broken.faults.map(({ file }) => file)).toEqual(['broken.safetensors']);
    const next = await engine.add([loose('model.gguf', new TextEncoder().encode('GGUF and more'))]);
    expect(next.faults.map(({ file }) => file)).toEqual(['model.gguf']);
    expect(next.settled).toEqual([]);
  });
});

describe('tensors', () => {
  it('are named from headers alone, in the order of the result', async () => {
    const engine = newEngine();
    const [first, second] = shards();
    if (!first || !second) throw new Error('not sharded');
    await engine.add([first, second]);
    const { added } = await engine.add([loose('other.safetensors', WHOLE)]);
    const one = (name: string | undefined) => `merge_method: linear\nmodels:\n  - model: ${name}\n`;
    expect(await engine.tensors(one('model'))).toEqual(['a', 'b']);
    await expect(engine.tensors(`${one('model')}  - model: ${added[0]?.name}\n`)).rejects.toThrow(/tensor/);
  });
});
