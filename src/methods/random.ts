/**
 * Random: the one source of chance in merging: Philox4x32-10 (Salmon et al., SC'11), keyed by seed, tensor and model,
 * counted by element. The same element gets the same number on any machine, in any order and with any chunk size.
 * Kernels compute it too (`random(k, i)`); this is the definition that they are held to.
 */

/** Philox4x32's multipliers and the steps of its keys; 10 rounds. */
export const M0 = 0xd2511f53;
export const M1 = 0xcd9e8d57;
export const W0 = 0x9e3779b9;
export const W1 = 0xbb67ae85;
export const ROUNDS = 10;

/** A stream's key: two 32-bit words. */
export type StreamKey = readonly [number, number];

/** The high 32 bits of a 32 × 32 bit product. */
function highProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** The four words of block `block` (0 … 2^32 − 1) of a stream. */
export function philox(block: number, key: StreamKey): readonly [number, number, number, number] {
  let [x0, x1, x2, x3] = [block >>> 0, 0, 0, 0];
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = highProduct(M0, x0);
    const low0 = Math.imul(M0, x0) >>> 0;
    const high1 = highProduct(M1, x2);
    const low1 = Math.imul(M1, x2) >>> 0;
    [x0, x1, x2, x3] = [(high1 ^ x1 ^ k0) >>> 0, low1, (high0 ^ x3 ^ k1) >>> 0, low0];
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [x0, x1, x2, x3];
}

/** Element `index`'s number of a stream: uniform in [0, 1), a multiple of 2^-24. Four elements share a block. */
export function uniform(index: number, key: StreamKey): number {
  const words = philox(Math.floor(index / 4), key);
  return ((words[index % 4] ?? 0) >>> 8) / 2 ** 24;
}

const encoder = new TextEncoder();

/** The key of a tensor's stream for model `model` (its place in the recipe). */
export function streamKey(seed: number, tensor: string, model: number): StreamKey {
  const text = `${seed}\n${model}\n${tensor}`;
  // The bytes of its UTF-8. Those of plain letters are known without encoding, which takes longer than the sum.
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0x7f) return keyOfBytes(encoder.encode(text));
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul((b ^ byte) + 0x7f4a7c15, 0x85ebca6b);
  }
  return [mixed(a), mixed(b)];
}

/** The same sum over any bytes. */
function keyOfBytes(bytes: Uint8Array): StreamKey {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul((b ^ byte) + 0x7f4a7c15, 0x85ebca6b);
  }
  return [mixed(a), mixed(b)];
}

/** Murmur3's finaliser. */
function mixed(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
