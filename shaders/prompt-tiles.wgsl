// Products of eight rows by eight columns in one invocation: what prompt-matrix.wgsl and prompt-attention.wgsl have in common,
// and what stands before both.
//
// Made for adapters that compute in software, four invocations at a time: there a load costs more than the products that
// follow from it, and barriers and workgroup memory cost most. So an invocation makes its tile by itself, and each vector
// that it loads serves eight times.

// The rows.
@group(0) @binding(0) var<storage, read> x: array<vec4f>;

// Something of each of eight columns: the words at which they begin, or four neighbouring elements.
struct Places {
  low: vec4u,
  high: vec4u,
}
struct Columns {
  c0: vec4f,
  c1: vec4f,
  c2: vec4f,
  c3: vec4f,
  c4: vec4f,
  c5: vec4f,
  c6: vec4f,
  c7: vec4f,
}

// Eight rows of y by the first four columns, and by the last four.
struct Sums {
  a0: vec4f,
  a1: vec4f,
  a2: vec4f,
  a3: vec4f,
  a4: vec4f,
  a5: vec4f,
  a6: vec4f,
  a7: vec4f,
  b0: vec4f,
  b1: vec4f,
  b2: vec4f,
  b3: vec4f,
  b4: vec4f,
  b5: vec4f,
  b6: vec4f,
  b7: vec4f,
}

const FOUR = vec4u(0u, 1u, 2u, 3u);

// Eight of `count` things from one on, none beyond the last, each `size` long.
fn places(first: u32, count: u32, size: u32) -> Places {
  let last = vec4u(count - 1u);
  return Places(min(vec4u(first) + FOUR, last) * size, min(vec4u(first + 4u) + FOUR, last) * size);
}

fn four(v: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  return vec4f(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
}

fn low(v: vec4f, w: Columns) -> vec4f {
  return four(v, w.c0, w.c1, w.c2, w.c3);
}

fn high(v: vec4f, w: Columns) -> vec4f {
  return four(v, w.c4, w.c5, w.c6, w.c7);
}

// Four inputs of eight rows times those of eight columns.
fn add(sums: ptr<function, Sums>, rows: Places, at: u32, w: Columns) {
  let x0 = x[rows.low.x + at];
  (*sums).a0 += low(x0, w);
  (*sums).b0 += high(x0, w);
  let x1 = x[rows.low.y + at];
  (*sums).a1 += low(x1, w);
  (*sums).b1 += high(x1, w);
  let x2 = x[rows.low.z + at];
  (*sums).a2 += low(x2, w);
  (*sums).b2 += high(x2, w);
  let x3 = x[rows.low.w + at];
  (*sums).a3 += low(x3, w);
  (*sums).b3 += high(x3, w);
  let x4 = x[rows.high.x + at];
  (*sums).a4 += low(x4, w);
  (*sums).b4 += high(x4, w);
  let x5 = x[rows.high.y + at];
  (*sums).a5 += low(x5, w);
  (*sums).b5 += high(x5, w);
  let x6 = x[rows.high.z + at];
  (*sums).a6 += low(x6, w);
  (*sums).b6 += high(x6, w);
  let x7 = x[rows.high.w + at];
  (*sums).a7 += low(x7, w);
  (*sums).b7 += high(x7, w);
}
