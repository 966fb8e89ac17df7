// Prelude: what every kernel stands on. Storage is 32-bit words; F32, F16 and BF16 are decoded and rounded by
// integer operations, because WGSL's own unpack2x16float may flush subnormals and shader-f16 must not be required.
// Precision policy: arithmetic in f32; coefficients arrive already computed in f64 and rounded once to f32; the
// result is rounded once, to nearest even, by bits. NaN and infinity are found on the bits, since WGSL lets a
// compiler assume that they do not occur.

struct Piece {
  // Elements in this piece, and the index of its first one in the tensor.
  elements: u32,
  first_index: u32,
  // Column of element 0 in its row, and elements in a row.
  first_column: u32,
  row_elements: u32,
  // First index of this piece's numbers in `numbers`.
  numbers: u32,
  // First word that it writes in `result`, and that it reads in `scratch`.
  output_word: u32,
  scratch_word: u32,
  // Its first counter in `counters`.
  counter: u32,
  // Items (blocks, columns, stretches: see the kernel) to be done, and the first of them.
  first_item: u32,
  items: u32,
  // Blocks are counted along spans (the whole tensor, or its rows); position of element 0 in its span.
  span_elements: u32,
  span_first: u32,
  // First index of a key kernel's queries in `numbers`, and the digit that it counts.
  queries: u32,
  shift: u32,
  width: u32,
  // Elements of a sorted run (see ranks.wgsl).
  run: u32,
  // First word of each source in `words`, the base first where there is one.
  source_word: array<vec4<u32>, 5>,
}

// The sources of all pieces.
@group(0) @binding(0) var<storage, read> words: array<u32>;
// Parameters, coefficients and the like: floats by their bits.
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
// Zero at the start of a submission.
@group(0) @binding(3) var<storage, read_write> counters: array<atomic<u32>>;
@group(0) @binding(4) var<uniform> piece: Piece;
// What an earlier kernel of the same submission left: ranks, sorted runs, or merged elements.
@group(0) @binding(5) var<storage, read> scratch: array<u32>;

fn source_start(source: u32) -> u32 {
  return piece.source_word[source / 4u][source % 4u];
}

fn half_word(start: u32, i: u32) -> u32 {
  return (words[start + i / 2u] >> (16u * (i % 2u))) & 0xffffu;
}

fn decode_f16(bits: u32) -> f32 {
  let sign = (bits & 0x8000u) << 16u;
  let exponent = (bits >> 10u) & 0x1fu;
  let fraction = bits & 0x3ffu;
  if (exponent == 0x1fu) {
    return bitcast<f32>(sign | 0x7f800000u | (fraction << 13u));
  }
  if (exponent == 0u) {
    // Subnormal: fraction * 2^-24, exact in f32 and far above f32's own subnormals.
    let magnitude = f32(fraction) * 5.9604644775390625e-8;
    return bitcast<f32>(sign | bitcast<u32>(magnitude));
  }
  return bitcast<f32>(sign | ((exponent + 112u) << 23u) | (fraction << 13u));
}

fn load_f32(source: u32, i: u32) -> f32 {
  return bitcast<f32>(words[source_start(source) + i]);
}

fn load_f16(source: u32, i: u32) -> f32 {
  return decode_f16(half_word(source_start(source), i));
}

fn load_bf16(source: u32, i: u32) -> f32 {
  return bitcast<f32>(half_word(source_start(source), i) << 16u);
}

// Nearest even; NaN stays NaN (quiet), overflow becomes infinity by the carry.
fn round_bf16(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return (bits >> 16u) | 0x40u;
  }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

fn round_f16(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return sign | 0x7e00u | ((magnitude >> 13u) & 0x3ffu);
  }
  if (magnitude >= 0x47800000u) { // 65536 and above, infinity included
    return sign | 0x7c00u;
  }
  if (magnitude >= 0x38800000u) { // normal in F16; a carry past 65504 gives 0x7c00, which is infinity
    let rebased = magnitude - 0x38000000u;
    return sign | ((rebased + 0xfffu + ((rebased >> 13u) & 1u)) >> 13u);
  }
  if (magnitude < 0x33000000u) { // below half of the smallest subnormal
    return sign;
  }
  let exponent = magnitude >> 23u;
  let significand = (magnitude & 0x7fffffu) | 0x800000u;
  let shift = 126u - exponent; // 14 .. 24
  let kept = significand >> shift;
  let rest = significand & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let up = select(0u, 1u, rest > half || (rest == half && (kept & 1u) == 1u));
  return sign | (kept + up);
}

fn count_faulty(is_faulty: bool) {
  if (is_faulty) {
    atomicAdd(&counters[piece.counter], 1u);
  }
}

// A result's bits in each output dtype, counted where they are NaN or infinity after rounding.
fn store_f32(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  count_faulty((bits & 0x7f800000u) == 0x7f800000u);
  return bits;
}

fn store_f16(value: f32) -> u32 {
  let half = round_f16(bitcast<u32>(value));
  count_faulty((half & 0x7c00u) == 0x7c00u);
  return half;
}

fn store_bf16(value: f32) -> u32 {
  let half = round_bf16(bitcast<u32>(value));
  count_faulty((half & 0x7f80u) == 0x7f80u);
  return half;
}
