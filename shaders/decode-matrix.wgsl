// A matrix times one vector, y = W x + bias: what a token's step is mostly made of. src/chat/decode-matrix.ts says where
// it is used and how W lies.
//
// Made for adapters that compute in software, four invocations at a time. There a load costs more than the products
// that follow from it, barriers and workgroup memory cost most, and as soon as one invocation has returned, all that
// the others do is masked. So an invocation makes four rows by itself, each x that it loads serves all four, and rows
// beyond the last are computed like the last and not written. Shifts are made one by one; masks are not: codes are taken
// out of their words where they stand, and x is divided by the power of two instead, which is exact.

struct Matrix {
  // Elements of x, and of y.
  inputs: u32,
  outputs: u32,
  has_bias: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
// W in float32, [outputs, inputs] or [inputs, outputs], or the codes of its blocks of 32, [outputs, inputs].
@group(0) @binding(1) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read> codes: array<vec4u>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> matrix: Matrix;
@group(0) @binding(5) var<storage, read> scales: array<f32>;

const ROWS = vec4u(0u, 1u, 2u, 3u);

fn sum(parts: vec4f) -> f32 {
  return (parts.x + parts.y) + (parts.z + parts.w);
}

// The four rows from one on, none beyond the last.
fn rows_from(row: u32) -> vec4u {
  return min(vec4u(row) + ROWS, vec4u(matrix.outputs - 1u));
}

fn write(row: u32, value: f32) {
  if (row >= matrix.outputs) {
    return;
  }
  if (matrix.has_bias == 1u) {
    y[row] = value + bias[row];
  } else {
    y[row] = value;
  }
}

fn write_rows(row: u32, results: vec4f) {
  write(row, results.x);
  write(row + 1u, results.y);
  write(row + 2u, results.z);
  write(row + 3u, results.w);
}

// W [outputs, inputs]; `inputs` is a multiple of 4.
@compute @workgroup_size(16)
fn rows_f32(@builtin(global_invocation_id) id: vec3u) {
  let vectors = matrix.inputs / 4u;
  let row = id.x * 4u;
  let first = rows_from(row) * vectors;
  var a = vec4f();
  var b = vec4f();
  var c = vec4f();
  var d = vec4f();
  for (var i = 0u; i < vectors / 2u; i++) {
    let even = 2u * i;
    let odd = even + 1u;
    let x0 = x[even];
    let x1 = x[odd];
    a += x0 * values[first.x + even] + x1 * values[first.x + odd];
    b += x0 * values[first.y + even] + x1 * values[first.y + odd];
    c += x0 * values[first.z + even] + x1 * values[first.z + odd];
    d += x0 * values[first.w + even] + x1 * values[first.w + odd];
  }
  if (vectors % 2u == 1u) {
    let last = vectors - 1u;
    let x0 = x[last];
    a += x0 * values[first.x + last];
    b += x0 * values[first.y + last];
    c += x0 * values[first.z + last];
    d += x0 * values[first.w + last];
  }
  write_rows(row, vec4f(sum(a), sum(b), sum(c), sum(d)));
}

// W [inputs, outputs]; both are multiples of 4.
@compute @workgroup_size(16)
fn columns_f32(@builtin(global_invocation_id) id: vec3u) {
  let columns = matrix.outputs / 4u;
  let column = min(id.x, columns - 1u);
  var a = vec4f();
  var b = vec4f();
  for (var i = 0u; i < matrix.inputs / 4u; i++) {
    let four = x[i];
    let first = 4u * i * columns + column;
    a += four.x * values[first] + four.y * values[first + columns];
    b += four.z * values[first + 2u * columns] + four.w * values[first + 3u * columns];
  }
  write_rows(id.x * 4u, a + b);
}

// The last byte, and the last four bits, of a word are read with their sign: the others hold the code as it is.
const LAST_SIGN = vec4u(0x80000000u);

// Four codes of 8 bits less 128, each times the power of two at which it stands.
fn bytes_of(word: u32) -> vec4f {
  let bits = vec4u(word) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff000000u);
  return vec4f(bitcast<vec4i>(bits)) - vec4f(0x80, 0x8000, 0x800000, 0.0);
}

const BYTES = vec4f(1.0, 0x1p-8f, 0x1p-16f, 0x1p-24f);

fn dot_bytes(word: vec4u, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> vec4f {
  return (x0 * bytes_of(word.x) + x1 * bytes_of(word.y)) + (x2 * bytes_of(word.z) + x3 * bytes_of(word.w));
}

// A block's 32 codes times x.
fn block_q8(block: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f, x6: vec4f, x7: vec4f) -> vec4f {
  let low = codes[2u * block] ^ LAST_SIGN;
  let high = codes[2u * block + 1u] ^ LAST_SIGN;
  return scales[block] * (dot_bytes(low, x0, x1, x2, x3) + dot_bytes(high, x4, x5, x6, x7));
}

// Rows of blocks of 8 bits; `inputs` is a multiple of 32.
@compute @workgroup_size(16)
fn rows_q8(@builtin(global_invocation_id) id: vec3u) {
  let blocks = matrix.inputs / 32u;
  let row = id.x * 4u;
  let first = rows_from(row) * blocks;
  var a = vec4f();
  var b = vec4f();
  var c = vec4f();
  var d = vec4f();
  for (var i = 0u; i < blocks; i++) {
    let x0 = x[8u * i] * BYTES;
    let x1 = x[8u * i + 1u] * BYTES;
    let x2 = x[8u * i + 2u] * BYTES;
    let x3 = x[8u * i + 3u] * BYTES;
    let x4 = x[8u * i + 4u] * BYTES;
    let x5 = x[8u * i + 5u] * BYTES;
    let x6 = x[8u * i + 6u] * BYTES;
    let x7 = x[8u * i + 7u] * BYTES;
    a += block_q8(first.x + i, x0, x1, x2, x3, x4, x5, x6, x7);
    b += block_q8(first.y + i, x0, x1, x2, x3, x4, x5, x6, x7);
    c += block_q8(first.z + i, x0, x1, x2, x3, x4, x5, x6, x7);
    d += block_q8(first.w + i, x0, x1, x2, x3, x4, x5, x6, x7);
  }
  write_rows(row, vec4f(sum(a), sum(b), sum(c), sum(d)));
}

// The same of codes of 4 bits less 8, the low four of a word's eight and the high four.
fn low_halves_of(word: u32) -> vec4f {
  let bits = vec4u(word) & vec4u(0xfu, 0xf0u, 0xf00u, 0xf000u);
  return vec4f(bitcast<vec4i>(bits)) - vec4f(0x8, 0x80, 0x800, 0x8000);
}

fn high_halves_of(word: u32) -> vec4f {
  let bits = vec4u(word) & vec4u(0xf0000u, 0xf00000u, 0xf000000u, 0xf0000000u);
  return vec4f(bitcast<vec4i>(bits)) - vec4f(0x80000, 0x800000, 0x8000000, 0.0);
}

const LOW_HALVES = vec4f(1.0, 0x1p-4f, 0x1p-8f, 0x1p-12f);
const HIGH_HALVES = vec4f(0x1p-16f, 0x1p-20f, 0x1p-24f, 0x1p-28f);

fn dot_halves(word: u32, x0: vec4f, x1: vec4f) -> vec4f {
  return x0 * low_halves_of(word) + x1 * high_halves_of(word);
}

fn block_q4(block: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f, x4: vec4f, x5: vec4f, x6: vec4f, x7: vec4f) -> vec4f {
  let words = codes[block] ^ LAST_SIGN;
  let first = dot_halves(words.x, x0, x1) + dot_halves(words.y, x2, x3);
  return scales[block] * (first + (dot_halves(words.z, x4, x5) + dot_halves(words.w, x6, x7)));
}

// Rows of blocks of 4 bits; `inputs` is a multiple of 32.
@compute @workgroup_size(16)
fn rows_q4(@builtin(global_invocation_id) id: vec3u) {
  let blocks = matrix.inputs / 32u;
  let row = id.x * 4u;
  let first = rows_from(row) * blocks;
  var a = vec4f();
  var b = vec4f();
  var c = vec4f();
  var d = vec4f();
  for (var i = 0u; i < blocks; i++) {
    let x0 = x[8u * i] * LOW_HALVES;
    let x1 = x[8u * i + 1u] * HIGH_HALVES;
    let x2 = x[8u * i + 2u] * LOW_HALVES;
    let x3 = x[8u * i + 3u] * HIGH_HALVES;
    let x4 = x[8u * i + 4u] * LOW_HALVES;
    let x5 = x[8u * i + 5u] * HIGH_HALVES;
    let x6 = x[8u * i + 6u] * LOW_HALVES;
    let x7 = x[8u * i + 7u] * HIGH_HALVES;
    a += block_q4(first.x + i, x0, x1, x2, x3, x4, x5, x6, x7);
    b += block_q4(first.y + i, x0, x1, x2, x3, x4, x5, x6, x7);
    c += block_q4(first.z + i, x0, x1, x2, x3, x4, x5, x6, x7);
    d += block_q4(first.w + i, x0, x1, x2, x3, x4, x5, x6, x7);
  }
  write_rows(row, vec4f(sum(a), sum(b), sum(c), sum(d)));
}
