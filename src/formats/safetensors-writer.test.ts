import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsupportedFault } from '../bytes/fault.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { readTensor } from './checkpoint.ts';
import { DTYPE_BITS, type Dtype } from './dtype.ts';
import { readHeader } from './safetensors.ts';
import { planShards, type Shard, type TensorSpec } from './safetensors-writer.ts';

/** Writes a shard, each tensor filled with its own number. */
function write(shard: Shard, numbers: ReadonlyMap<string, number>) {
  const file = new Uint8Array(shard.sizeBytes).fill(0xee);
  file.set(shard.header);
  for (const { name, start, end } of shard.tensors) file.fill((numbers.get(name) ?? 0) % 200, start, end);
  return memoryBytes(shard.fileName, file);
}

const dtypes = Object.keys(DTYPE_BITS) as Dtype[];
// A last dimension of four makes whole bytes of every dtype.
const specs: fc.Arbitrary<TensorSpec[]> = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: 'grapheme', maxLength: 20 }).filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.nat(4), { maxLength: 3 }).map((shape) => [...shape, 4]),
  }),
  { selector: ({ name }) => name, maxLength: 12 },
);

describe('planShards', () => {
  it('writes what readHeader reads: names, dtypes, shapes, order and bytes, in any cut', async () => {
    await fc.assert(
      fc.asyncProperty(specs, fc.integer({ min: 1, max: 2000 }), async (tensors, maxShardBytes) => {
        const plan = planShards(tensors, { maxShardBytes, metadata: { recipe: 'é "quoted"' } });
        const numbers = new Map(tensors.map(({ name }, i) => [name, i + 1]));
        const read = [];
        for (const shard of plan.shards) {
          expect(shard.header.byteLength % 8).toBe(0);
          const file = write(shard, numbers);
          const header = await readHeader(file);
          expect(header.metadata).toEqual({ format: 'pt', recipe: 'é "quoted"' });
          const bytes = shard.tensors.reduce((sum, { start, end }) => sum + end - start, 0);
          expect(bytes <= maxShardBytes || shard.tensors.length === 1).toBe(true);
          // Empty tensors share their position with a neighbour, so only the others have an order in the bytes.
          for (const planned of shard.tensors) {
            const entry = header.tensors.find(({ name }) => name === planned.name);
            if (!entry) return expect.fail(`${planned.name} was lost`);
            expect(entry).toMatchObject({ start: planned.start, end: planned.end, elements: planned.elements });
            const data = await readTensor(entry, 0, entry.end - entry.start);
            expect(data.every((byte) => byte === (numbers.get(entry.name) ?? 0) % 200)).toBe(true);
            read.push({ name: entry.name, dtype: entry.dtype, shape: entry.shape });
          }
          expect(header.tensors).toHaveLength(shard.tensors.length);
        }
        expect(read).toEqual(tensors);
        expect(plan.totalBytes).toBe(
          plan.shards.reduce((sum, { sizeBytes, header }) => sum + sizeBytes - header.byteLength, 0),
        );
      }),
      { numRuns: 100 },
    );
  });

  const square = (name: string): TensorSpec => ({ name, dtype: 'BF16', shape: [10, 10] });

  it('calls one file model.safetensors and gives it no index', () => {
    const plan = planShards([square('a'), square('b')]);
    expect(plan.shards.map(({ fileName }) => fileName)).toEqual(['model.safetensors']);
    expect(plan.index).toBeNull();
    expect(plan.totalBytes).toBe(400);
  });

  it('numbers shards and indexes them as the Hub does', () => {
    const plan = planShards([square('a'), square('b'), square('__proto__')], { maxShardBytes: 400 });
    expect(plan.shards.map(({ fileName }) => fileName)).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
    expect(plan.index?.fileName).toBe('model.safetensors.index.json');
    const index: { weight_map: object; metadata: object } = JSON.parse(plan.index?.text ?? '');
    expect(index.metadata).toEqual({ total_size: 600 });
    expect(Object.entries(index.weight_map)).toEqual([
      ['a', 'model-00001-of-00002.safetensors'],
      ['b', 'model-00001-of-00002.safetensors'],
      ['__proto__', 'model-00002-of-00002.safetensors'],
    ]);
  });

  it('gives a tensor that is larger than a shard a shard of its own', () => {
    const large: TensorSpec = { name: 'large', dtype: 'F32', shape: [1000] };
    const plan = planShards([square('a'), large, square('b')], { maxShardBytes: 500 });
    expect(plan.shards.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual([['a'], ['large'], ['b']]);
  });

  it('plans files far above memory', () => {
    const huge: TensorSpec = { name: 'huge', dtype: 'F32', shape: [2 ** 20, 2 ** 20] };
    const plan = planShards([huge, square('b')], { maxShardBytes: Number.POSITIVE_INFINITY });
    expect(plan.totalBytes).toBe(2 ** 42 + 200);
    expect(plan.shards[0]?.tensors[1]?.end).toBe(plan.shards[0]?.sizeBytes);
  });

  it('makes a sound file of no tensors', async () => {
    const [shard] = planShards([]).shards;
    if (!shard) return expect.fail('no shard');
    expect((await readHeader(memoryBytes('none', shard.header))).tensors).toEqual([]);
  });

  it('lets metadata name another format', () => {
    const [shard] = planShards([square('a')], { metadata: { format: 'mlx' } }).shards;
    expect(new TextDecoder().decode(shard?.header)).toContain('"format":"mlx"');
  });

  it.each([
    ['a name twice', [square('a'), square('a')]],
    ['the reserved name', [square('__metadata__')]],
    ['half a byte', [{ name: 'a', dtype: 'F4', shape: [3] } as const]],
    ['more than can be counted', [{ name: 'a', dtype: 'F64', shape: [2 ** 30, 2 ** 30] } as const]],
    ['a negative dimension', [{ name: 'a', dtype: 'F32', shape: [-4] } as const]],
  ])('refuses %s', (_, tensors) => {
    expect(() => planShards(tensors)).toThrow(UnsupportedFault);
  });

  it.each([0, -1, Number.NaN])('refuses shards of %d bytes', (maxShardBytes) => {
    expect(() => planShards([square('a')], { maxShardBytes })).toThrow(RangeError);
  });
});
