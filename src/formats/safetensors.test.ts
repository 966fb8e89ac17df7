import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countingBytes } from '../bytes/counting-bytes.ts';
import { MalformedFault, UnsupportedFault } from '../bytes/fault.ts';
import { memoryBytes } from '../bytes/memory-bytes.ts';
import { readTensor } from './checkpoint.ts';
import { decode } from './codec.ts';
import { MAX_RANK, readHeader } from './safetensors.ts';

const fixtures = new URL('../../e2e/fixtures/models/', import.meta.url);
const fixture = (path: string) => memoryBytes(path, readFileSync(new URL(path, fixtures)));

/** A file of this header text and this many data bytes, right or wrong. */
function craft(header: string | Uint8Array, dataBytes = 0, declaredLength?: bigint) {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declaredLength ?? BigInt(json.byteLength), true);
  file.set(json, 8);
  return memoryBytes('crafted.safetensors', file);
}

const entry = (start: number, end: number, shape: unknown = [end - start], dtype = 'U8') => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

async function faultOf(file: ReturnType<typeof memoryBytes>): Promise<MalformedFault | UnsupportedFault> {
  const thrown: unknown = await readHeader(file).then(
    () => expect.fail(`${file.name} was accepted`),
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof MalformedFault || thrown instanceof UnsupportedFault)) throw thrown;
  expect(thrown.message).toContain(file.name);
  return thrown;
}

describe('the byte strings of the reference implementation', () => {
  const cases: { file: string; expect: string }[] = JSON.parse(
    readFileSync(new URL('safetensors-edge/INDEX.json', fixtures), 'utf8'),
  );

  it('are all there', () => expect(cases).toHaveLength(15));

  it.each(cases)('$expect $file', async ({ file, expect: verdict }) => {
    const bytes = fixture(`safetensors-edge/${file}`);
    if (verdict === 'accept') await expect(readHeader(bytes)).resolves.toHaveProperty('tensors.length', 1);
    else expect((await faultOf(bytes)).code).toBe('malformed');
  });

  it.each([
    ['test_metadata_incomplete_buffer_0', /goes on after its last tensor: it has 118 bytes and should have 84/],
    ['test_metadata_incomplete_buffer_1', /truncated: it has 82 bytes and should have 84/],
    ['test_header_too_large_0', /at most 100000000 are allowed/],
    ['test_invalid_header_length_0', /truncated within its header/],
    ['test_invalid_header_non_utf8_0', /does not begin with "{"/],
    ['test_invalid_header_not_json_0', /not JSON/],
    ['test_invalid_info_0', /"test" has 4 bytes, but its shape \[2, 2\] in I32 takes 16/],
    ['test_validation_overflow_0', /whole numbers below 2\^53/],
    ['abuse1_header_len_1000', /truncated within its header: it has 88 bytes and needs more than 1008/],
    ['abuse3_2000_overlapping', /overlaps/],
    ['sixteen_zero_bytes', /0 bytes/],
  ])('%s is explained', async (name, reason) => {
    expect((await faultOf(fixture(`safetensors-edge/${name}.safetensors`))).message).toMatch(reason);
  });
});

describe('real files', () => {
  it('reads unaligned data written by MLX, whose __metadata__ is null', async () => {
    const file = fixture('odd-alignment/model.safetensors');
    const { tensors, metadata } = await readHeader(file);
    expect(metadata).toEqual({});
    expect(tensors.at(-1)?.end).toBe(file.size);
    const key = tensors.find(({ name }) => name === 'decoder_stack.0.ca.heads.0.key.weight');
    if (!key) return expect.fail('tensor is not there');
    expect(key).toMatchObject({ dtype: 'F32', shape: [4, 16], elements: 64 });
    expect(key.start % 4).not.toBe(0);
    const values = decode(await readTensor(key, 0, key.end - key.start), 'F32');
    const raw = readFileSync(new URL('odd-alignment/model.safetensors', fixtures));
    expect([...values]).toEqual(Array.from({ length: 64 }, (_, i) => raw.readFloatLE(key.start + 4 * i)));
    expect(values.every((value) => Math.abs(value) < 10)).toBe(true);
  });

  it('reads 8 bytes and the header, and nothing else', async () => {
    const file = countingBytes(fixture('stories260K-llama/model.safetensors'));
    const { tensors, metadata } = await readHeader(file);
    expect(file.reads).toEqual([
      { start: 0, end: 8 },
      { start: 8, end: 8 + 4856 },
    ]);
    expect(metadata).toEqual({ format: 'pt' });
    expect(tensors.reduce((sum, { elements }) => sum + elements, 0)).toBe(260_032);
    expect(tensors[0]).toMatchObject({ name: 'model.embed_tokens.weight', shape: [512, 64], start: 4864 });
  });

  it('rejects every truncation, before its end by name', async () => {
    const whole = readFileSync(new URL('safetensors-edge/test_deserialization_0.safetensors', fixtures));
    for (let size = 0; size < whole.length; size++) {
      const fault = await faultOf(memoryBytes('cut.safetensors', whole.subarray(0, size)));
      expect(fault.code).toBe('malformed');
      if (size > 8) expect(fault.message).toContain('truncated');
    }
  });
});

describe('what a header may say', () => {
  it.each([
    ['an empty model', '{}', 0],
    ['padding', '{}      ', 0],
    ['tensors out of order', JSON.stringify({ b: entry(2, 5), a: entry(0, 2) }), 5],
    ['empty tensors anywhere', JSON.stringify({ a: entry(0, 4), b: entry(4, 4, [0, 9]), c: entry(0, 0) }), 4],
    ['names that objects have anyway', '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1],
    ['keys it does not know', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":[1]}}}', 1],
    ['half-byte elements that fill bytes', JSON.stringify({ a: entry(0, 3, [6], 'F4') }), 3],
    ['six-bit elements that fill bytes', JSON.stringify({ a: entry(0, 3, [2, 2], 'F6_E2M3') }), 3],
    [`${MAX_RANK} dimensions`, JSON.stringify({ a: entry(0, 1, Array(MAX_RANK).fill(1)) }), 1],
    ['the same key in two tensors', JSON.stringify({ dtype: entry(0, 1), shape: entry(1, 2) }), 2],
  ])('accepts %s', async (_, header, dataBytes) => {
    await expect(readHeader(craft(header, dataBytes))).resolves.toBeTruthy();
  });

  it('keeps a tensor called __proto__', async () => {
    const { tensors } = await readHeader(craft('{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1));
    expect(tensors.map(({ name, elements }) => [name, elements])).toEqual([['__proto__', 1]]);
  });

  it.each([
    ['a gap', { a: entry(0, 1), b: entry(2, 3) }, 3, /"b" leaves a gap after tensor "a"/],
    ['a gap at the start', { a: entry(1, 2) }, 2, /"a" leaves a gap after the header/],
    ['an overlap', { a: entry(0, 2), b: entry(1, 3) }, 3, /"b" overlaps tensor "a"/],
    ['two tensors on the same bytes', { a: entry(0, 2), b: entry(0, 2) }, 2, /overlaps/],
    ['a reversed span', { a: { dtype: 'U8', shape: [0], data_offsets: [1, 0] } }, 1, /ends before it starts/],
    ['a negative offset', { a: entry(-1, 0) }, 0, /data_offsets/],
    ['three offsets', { a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 1] } }, 1, /data_offsets/],
    ['text as offsets', { a: { dtype: 'U8', shape: [1], data_offsets: ['0', '1'] } }, 1, /data_offsets/],
    ['a fractional dimension', { a: entry(0, 1, [0.5, 2]) }, 1, /shape/],
    ['a negative dimension', { a: entry(0, 1, [-1, -1]) }, 1, /shape/],
    ['a shape that is no list', { a: entry(0, 1, '1') }, 1, /shape/],
    ['no shape', { a: { dtype: 'U8', data_offsets: [0, 1] } }, 1, /shape/],
    ['no dtype', { a: { shape: [1], data_offsets: [0, 1] } }, 1, /no dtype/],
    ['a product above 2^53', { a: entry(0, 0, [2 ** 30, 2 ** 30, 0]) }, 0, /2\^53 elements/],
    ['bits above 2^53', { a: entry(0, 0, [2 ** 50], 'F64') }, 0, /2\^53 bits/],
    ['too many dimensions', { a: entry(0, 1, Array(MAX_RANK + 1).fill(1)) }, 1, /65 dimensions/],
    ['half a byte', { a: entry(0, 1, [1], 'F4') }, 1, /whole bytes/],
    ['a tensor that is a list', { a: [] }, 0, /not described by an object/],
    ['a tensor that is null', { a: null }, 0, /not described by an object/],
    ['metadata that is a list', { __metadata__: [] }, 0, /__metadata__/],
    ['metadata that holds a number', { __metadata__: { a: 1 } }, 0, /__metadata__ "a" is not a text/],
    ['offsets beyond the file', { a: entry(0, 2 ** 40) }, 1, /truncated/],
    ['offsets beyond 2^53', { a: entry(2 ** 53 - 2, 2 ** 53 - 1) }, 1, /2\^53 bytes/],
  ])('refuses %s', async (_, header, dataBytes, reason) => {
    const fault = await faultOf(craft(JSON.stringify(header), dataBytes));
    expect(fault.message).toMatch(reason);
    expect(fault.code).toBe('malformed');
  });

  it.each([
    [
      'a tensor twice',
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
    ],
    [
      'a tensor twice by an escape',
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]} , "\\u0061" :{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
    ],
    ['a dtype twice', '{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'],
    ['metadata twice', '{"__metadata__":{},"__metadata__":{}}'],
  ])('refuses %s', async (_, header) => {
    expect((await faultOf(craft(header))).message).toContain('twice');
  });

  it('names a dtype that it does not know, and no property of objects is one', async () => {
    for (const dtype of ['Q4_K', 'constructor', 'f32']) {
      const fault = await faultOf(craft(JSON.stringify({ w: entry(0, 1, [1], dtype) }), 1));
      expect(fault).toBeInstanceOf(UnsupportedFault);
      expect(fault.message).toContain(`tensor "w" has the dtype "${dtype}"`);
    }
  });

  it('refuses white space before the brace, as the reference does', async () => {
    expect((await faultOf(craft(' {}'))).message).toContain('does not begin with "{"');
  });

  it('refuses broken UTF-8 inside the header', async () => {
    const header = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d);
    expect((await faultOf(craft(header))).message).toContain('not UTF-8');
  });

  it('survives deep nesting', async () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect((await faultOf(craft(deep))).code).toBe('malformed');
  });

  it('bounds and escapes a hostile name in its message', async () => {
    const fault = await faultOf(craft(JSON.stringify({ [`\n${'x'.repeat(5000)}`]: null })));
    expect(fault.message.length).toBeLessThan(400);
    expect(fault.message).not.toContain('\n');
  });

  it('asks for no more bytes than the file has, whatever the length field says', async () => {
    for (const declared of [2n ** 64n - 1n, 2n ** 53n, 100_000_001n, 100_000_000n, 300n]) {
      const file = countingBytes(craft('{}', 100, declared));
      expect((await faultOf(file)).code).toBe('malformed');
      for (const { end } of file.reads) expect(end).toBeLessThanOrEqual(file.size);
    }
  });

  it('answers any bytes with a header or a fault', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary-ascii' }), fc.nat(20), async (text, dataBytes) => {
        await readHeader(craft(`{${text}`, dataBytes)).catch((thrown: unknown) => {
          expect(thrown instanceof MalformedFault || thrown instanceof UnsupportedFault).toBe(true);
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('files that are something else', () => {
  const text = (content: string, name = 'model.safetensors') => memoryBytes(name, new TextEncoder().encode(content));
  const binary = (head: string, size: number) => {
    const data = new Uint8Array(size);
    for (let i = 0; i < head.length; i++) data[i] = head.charCodeAt(i);
    return memoryBytes('model.safetensors', data);
  };

  it.each([
    [
      'a Git LFS pointer',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n'),
      'malformed',
      /is a Git LFS pointer.*git lfs pull/,
    ],
    ['a GGUF file', binary('GGUF\x03\0\0\0', 400), 'unsupported', /GGUF/],
    ['a PyTorch archive', binary('PK\x03\x04\0\0\x08\x08', 400), 'unsupported', /zip archive.*\.bin/],
    ['a zip whose first bytes are a possible length', binary('PK\x03\x04\0\0\0\0', 400), 'unsupported', /zip archive/],
    ['a large such zip', binary('PK\x03\x04\0\0\0\0', 0x04034b50 + 100), 'unsupported', /zip archive/],
    ['a pickle', binary('\x80\x02\x8a\x0al\xfc', 400), 'unsupported', /pickle/],
    ['an HDF5 file', binary('\x89HDF\r\n\x1a\n', 400), 'unsupported', /HDF5/],
    ['a web page', text('<!DOCTYPE html>\n<html><body>Sign in</body></html>'), 'malformed', /web page/],
    ['a web page after a byte order mark', text('\ufeff\n <html lang="en">'), 'malformed', /web page/],
    ['a short text', text('gone'), 'malformed', /only 4 bytes/],
    ['an empty file', text(''), 'malformed', /it is empty/],
  ])('%s is named', async (_, file, code, reason) => {
    const fault = await faultOf(file);
    expect(fault.message).toMatch(reason);
    expect(fault.code).toBe(code);
  });
});
