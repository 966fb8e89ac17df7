// A matrix times many vectors, y = x W' + bias: what reading a prompt is mostly made of. src/chat/prompt-matrix.ts says
// where it is used and how W lies.
//
// Stands behind prompt-tiles.wgsl. What lies beyond the last row or column is computed like the last and not written. A
// row's sums are the same whatever rows are made beside it.

struct Product {
  // Elements of a row of x, and of a row of y.
  inputs: u32,
  outputs: u32,
  rows: u32,
  has_bias: u32,
}

// W in float32, [outputs, inputs] or [inputs, outputs], or the codes of its blocks of 32, [outputs, inputs].
@group(0) @binding(1) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> product: Product;
@group(0) @binding(5) var<storage, read> scales: array<f32>;

fn write(at: u32, column: u32, value: f32) {
  if (column >= product.outputs) {
    return;
  }
  if (product.has_bias == 1u) {
    y[at + column] = value + bias[column];
  } else {
    y[at + column] = value;
  }
}

fn write_row(row: u32, column: u32, a: vec4f, b: vec4f) {
  if (row >= product.rows) {
    return;
  }
  let at = row * product.outputs;
  write(at, column, a.x);
  write(at, column + 1u, a.y);
  write(at, column + 2u, a.z);
  write(at, column + 3u, a.w);
  write(at, column + 4u, b.x);
  write(at, column + 5u, b.y);
  write(at, column + 6u, b.z);
  write(at, column + 7u, b.w);
}

fn write_rows(row: u32, column: u32, sums: ptr<function, Sums>) {
  write_row(row, column, (*sums).a0, (*sums).b0);
  write_row(row + 1u, column, (*sums).a1, (*sums).b1);
  write_row(row + 2u, column, (*sums).a2, (*sums).b2);
  write_row(row + 3u, column, (*sums).a3, (*sums).b3);
  write_row(row + 4u, column, (*sums).a4, (*sums).b4);
  write_row(row + 5u, column, (*sums).a5, (*sums).b5);
  write_row(row + 6u, column, (*sums).a6, (*sums).b6);
  write_row(row + 7u, column, (*sums).a7, (*sums).b7);
}

// W [outputs, inputs]; `inputs` is a multiple of 4.
@compute @workgroup_size(16)
fn rows_f32(@builtin(global_invocation_id) id: vec3u) {
  let vectors = product.inputs / 4u;
  let rows = places(id.y * 8u, product.rows, vectors);
  let columns = places(id.x * 8u, product.outputs, vectors);
  var sums = Sums();
  for (var i = 0u; i < vectors; i++) {
    let w = Columns(
      values[columns.low.x + i],
      values[columns.low.y + i],
      values[columns.low.z + i],
      values[columns.low.w + i],
      values[columns.high.x + i],
      values[columns.high.y + i],
      values[columns.high.z + i],
      values[columns.high.w + i],
    );
    add(&sums, rows, i, w);
  }
  write_rows(id.y * 8u, id.x * 8u, &sums);
}

// W [inputs, outputs]; both are multiples of 4.
@compute @workgroup_size(16)
fn columns_f32(@builtin(global_invocation_id) id: vec3u) {
  let vectors = product.inputs / 4u;
  let width = product.outputs / 4u;
  let rows = places(id.y * 8u, product.rows, vectors);
  let first = min(id.x * 2u, width - 1u);
  let second = min(id.x * 2u + 1u, width - 1u);
  var sums = Sums();
  for (var i = 0u; i < vectors; i++) {
    let at = 4u * i * width;
    let a = transpose(mat4x4f(
      values[at + first],
      values[at + width + first],
      values[at + 2u * width + first],
      values[at + 3u * width + first],
    ));
    let b = transpose(mat4x4f(
      values[at + second],
      values[at + width + second],
      values[at + 2u * width + second],
      values[at + 3u * width + second],
    ));
    add(&sums, rows, i, Columns(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]));
  }
  write_rows(id.y * 8u, id.x * 8u, &sums);
}

// The last byte, and the last four bits, of a word are read with their sign: the others hold the code as it is. Codes are
// taken out of their words where they stand; the power of two is in the scale instead, which is exact.
const LAST_SIGN = 0x80000000u;

const BYTES = vec4f(1.0, 0x1p-8f, 0x1p-16f, 0x1p-24f);
const LOW_HALVES = vec4f(1.0, 0x1p-4f, 0x1p-8f, 0x1p-12f);
const HIGH_HALVES = vec4f(0x1p-16f, 0x1p-20f, 0x1p-24f, 0x1p-28f);

// Four codes of 8 bits less 128.
fn bytes_of(place: u32, scale: f32) -> vec4f {
  let word = codes[place] ^ LAST_SIGN;
  let bits = vec4u(word) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff000000u);
  return (vec4f(bitcast<vec4i>(bits)) - vec4f(0x80, 0x8000, 0x800000, 0.0)) * (scale * BYTES);
}

// Four codes of 4 bits less 8, the low half of a word and the high one.
fn low_halves_of(word: u32, scale: f32) -> vec4f {
  let bits = vec4u(word) & vec4u(0xfu, 0xf0u, 0xf00u, 0xf000u);
  return (vec4f(bitcast<vec4i>(bits)) - vec4f(0x8, 0x80, 0x800, 0x8000)) * (scale * LOW_HALVES);
}

fn high_halves_of(word: u32, scale: f32) -> vec4f {
  let bits = vec4u(word) & vec4u(0xf0000u, 0xf00000u, 0xf000000u, 0xf0000000u);
  return (vec4f(bitcast<vec4i>(bits)) - vec4f(0x80000, 0x800000, 0x8000000, 0.0)) * (scale * HIGH_HALVES);
}

// The scales of eight columns' blocks.
struct Scales {
  low: vec4f,
  high: vec4f,
}

fn scales_at(columns: Places, block: u32) -> Scales {
  return Scales(
    vec4f(
      scales[columns.low.x + block],
      scales[columns.low.y + block],
      scales[columns.low.z + block],
      scales[columns.low.w + block],
    ),
    vec4f(
      scales[columns.high.x + block],
      scales[columns.high.y + block],
      scales[columns.high.z + block],
      scales[columns.high.w + block],
    ),
  );
}

// Rows of blocks of 8 bits; `inputs` is a multiple of 32.
@compute @workgroup_size(16)
fn rows_q8(@builtin(global_invocation_id) id: vec3u) {
  let blocks = product.inputs / 32u;
  let rows = places(id.y * 8u, product.rows, product.inputs / 4u);
  let columns = places(id.x * 8u, product.outputs, blocks);
  var sums = Sums();
  for (var block = 0u; block < blocks; block++) {
    let scale = scales_at(columns, block);
    for (var i = 8u * block; i < 8u * block + 8u; i++) {
      let w = Columns(
        bytes_of(8u * columns.low.x + i, scale.low.x),
        bytes_of(8u * columns.low.y + i, scale.low.y),
        bytes_of(8u * columns.low.z + i, scale.low.z),
        bytes_of(8u * columns.low.w + i, scale.low.w),
        bytes_of(8u * columns.high.x + i, scale.high.x),
        bytes_of(8u * columns.high.y + i, scale.high.y),
        bytes_of(8u * columns.high.z + i, scale.high.z),
        bytes_of(8u * columns.high.w + i, scale.high.w),
      );
      add(&sums, rows, i, w);
    }
  }
  write_rows(id.y * 8u, id.x * 8u, &sums);
}

// Rows of blocks of 4 bits; `inputs` is a multiple of 32.
@compute @workgroup_size(16)
fn rows_q4(@builtin(global_invocation_id) id: vec3u) {
  let blocks = product.inputs / 32u;
  let rows = places(id.y * 8u, product.rows, product.inputs / 4u);
  let columns = places(id.x * 8u, product.outputs, blocks);
  var sums = Sums();
  for (var block = 0u; block < blocks; block++) {
    let scale = scales_at(columns, block);
    for (var i = 4u * block; i < 4u * block + 4u; i++) {
      let w0 = codes[4u * columns.low.x + i] ^ LAST_SIGN;
      let w1 = codes[4u * columns.low.y + i] ^ LAST_SIGN;
      let w2 = codes[4u * columns.low.z + i] ^ LAST_SIGN;
      let w3 = codes[4u * columns.low.w + i] ^ LAST_SIGN;
      let w4 = codes[4u * columns.high.x + i] ^ LAST_SIGN;
      let w5 = codes[4u * columns.high.y + i] ^ LAST_SIGN;
      let w6 = codes[4u * columns.high.z + i] ^ LAST_SIGN;
      let w7 = codes[4u * columns.high.w + i] ^ LAST_SIGN;
      let first = Columns(
        low_halves_of(w0, scale.low.x),
        low_halves_of(w1, scale.low.y),
        low_halves_of(w2, scale.low.z),
        low_halves_of(w3, scale.low.w),
        low_halves_of(w4, scale.high.x),
        low_halves_of(w5, scale.high.y),
        low_halves_of(w6, scale.high.z),
        low_halves_of(w7, scale.high.w),
      );
      add(&sums, rows, 2u * i, first);
      let second = Columns(
        high_halves_of(w0, scale.low.x),
        high_halves_of(w1, scale.low.y),
        high_halves_of(w2, scale.low.z),
        high_halves_of(w3, scale.low.w),
        high_halves_of(w4, scale.high.x),
        high_halves_of(w5, scale.high.y),
        high_halves_of(w6, scale.high.z),
        high_halves_of(w7, scale.high.w),
      );
      add(&sums, rows, 2u * i + 1u, second);
    }
  }
  write_rows(id.y * 8u, id.x * 8u, &sums);
}
