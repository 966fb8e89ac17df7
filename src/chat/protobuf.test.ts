import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtobufWriter } from './protobuf.ts';

const bytes = (writer: ProtobufWriter) => [...writer.finish()];

describe('ProtobufWriter', () => {
  it('writes the examples of the format’s own documentation', () => {
    expect(bytes(new ProtobufWriter().integer(1, 150))).toEqual([0x08, 0x96, 0x01]);
    expect(bytes(new ProtobufWriter().string(2, 'testing'))).toEqual([
      0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67,
    ]);
    expect(bytes(new ProtobufWriter().message(3, (inner) => inner.integer(1, 150)))).toEqual([0x1a, 3, 8, 0x96, 1]);
    expect(bytes(new ProtobufWriter().integer(1, -2))).toEqual([8, 0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    expect(bytes(new ProtobufWriter().float(1, 1.5))).toEqual([0x0d, 0, 0, 0xc0, 0x3f]);
    expect(bytes(new ProtobufWriter().integer(16, 0))).toEqual([0x80, 0x01, 0]);
  });

  it('writes any 64-bit integer so that it reads back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const [, ...varint] = bytes(new ProtobufWriter().integer(1, value));
        const read = varint.reduce((sum, byte, i) => sum + (BigInt(byte & 127) << BigInt(7 * i)), 0n);
        expect(BigInt.asIntN(64, read)).toBe(value);
      }),
    );
  });

  it('grows past its first size and keeps what it had', () => {
    const large = new Uint8Array(100_000).map((_, i) => i % 251);
    const out = new ProtobufWriter().string(1, 'first').bytes(2, large).finish();
    expect(out.byteLength).toBe(7 + 1 + 3 + 100_000);
    expect(out.subarray(11)).toEqual(large);
    expect([...out.subarray(0, 2)]).toEqual([0x0a, 5]);
  });
});
