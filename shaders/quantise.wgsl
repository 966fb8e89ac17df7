// Quantises float32 values to blocks of 32 codes and a scale: src/formats/block-quantised.ts says what comes out, and
// has to come out bit for bit. Floating point rounds and flushes as a device likes, so that here it only guesses: a
// scale is made by its exponent, and every code is settled between integers.
//
// Invocation n is (n mod inner, n / inner); see `Walk` in src/gpu/block-quantising.ts. In `along_rows` it makes one block
// of 32 neighbours; in `across_rows` four blocks of 32 rows, of four neighbouring columns.

struct Job {
  invocations: u32,
  inner: u32,
  // Vectors of four words from one invocation's first elements to the next one's, within `inner` and across it.
  source: u32,
  source_inner: u32,
  source_outer: u32,
  // From one row to the next; read across rows.
  source_row: u32,
  // Blocks, of what is written; `result_block` between the four that are made across rows.
  result: u32,
  result_inner: u32,
  result_outer: u32,
  result_block: u32,
}

// Bits of a code: 8 or 4.
override BITS: u32 = 8;

const BLOCK = 32u;
const MAGNITUDE = 0x7fffffffu;
const INFINITE = 0x7f800000u;
const SIGNIFICAND = 0x007fffffu;
const HIDDEN = 0x00800000u;
// 2^-100: blocks below are zeros.
const LEAST_PEAK = 0x0d800000u;

@group(0) @binding(0) var<storage, read> source_words: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> code_words: array<u32>;
@group(0) @binding(2) var<storage, read_write> scale_words: array<u32>;
@group(0) @binding(3) var<uniform> job: Job;

// What the codes of a block, or of four, are counted by.
struct Scale {
  // The largest magnitude is HALF steps.
  peak: vec4u,
  // Of the scale: its largest element is code 0, so that it is the other one's.
  sign: vec4u,
  // The significand of a step, and about 1 / (2 × it).
  step: vec4u,
  inverse: vec4f,
}

fn scale_of(peak: vec4u, sign: vec4u) -> Scale {
  let step = (peak & vec4u(SIGNIFICAND)) | vec4u(HIDDEN);
  return Scale(peak, vec4u(1u) - sign, step, vec4f(0.5) / vec4f(step));
}

// The bits of a scale: zero where there is none.
fn scale_bits(scale: Scale) -> vec4u {
  let bits = (scale.sign << vec4u(31u)) | (scale.peak - vec4u((BITS - 1u) << 23u));
  return select(bits, vec4u(0u), scale.peak < vec4u(LEAST_PEAK));
}

// The codes of four elements.
fn codes_of(words: vec4u, scale: Scale) -> vec4u {
  let half_range = 1u << (BITS - 1u);
  let magnitude = words & vec4u(MAGNITUDE);
  // How far an exponent lies above the scale's, and one more; below 0 it is less than half a step, as all that is
  // subnormal. Above 31 come only infinities and NaN.
  let shift = vec4i(magnitude >> vec4u(23u)) - vec4i(scale.peak >> vec4u(23u)) + vec4i(i32(BITS));
  let significand = (magnitude & vec4u(SIGNIFICAND)) | vec4u(HIDDEN);
  // Twice the element, in units of the step's last place: at most 2^32 - 256.
  let twice = select(vec4u(0u), significand << (vec4u(shift) & vec4u(31u)), shift >= vec4i(0));
  let guess = min(vec4u(vec4f(twice) * scale.inverse + vec4f(0.5)), vec4u(half_range - 1u));
  let middle = 2u * guess * scale.step;
  let is_above = twice >= middle + scale.step;
  let is_below = (guess > vec4u(0u)) & (twice < middle - scale.step);
  var steps = guess + select(vec4u(0u), vec4u(1u), is_above) - select(vec4u(0u), vec4u(1u), is_below);
  steps = select(steps, vec4u(half_range), magnitude == vec4u(INFINITE));
  steps = select(steps, vec4u(0u), (magnitude > vec4u(INFINITE)) | (scale.peak < vec4u(LEAST_PEAK)));
  let is_negative = (words >> vec4u(31u)) != scale.sign;
  let above = min(vec4u(half_range) + steps, vec4u(2u * half_range - 1u));
  return select(above, vec4u(half_range) - steps, is_negative);
}

// The number of an invocation.
fn number_of(id: vec3u, groups: vec3u) -> u32 {
  return id.y * groups.x * 64u + id.x;
}

@compute @workgroup_size(64)
fn along_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let n = number_of(id, groups);
  if (n >= job.invocations) {
    return;
  }
  let first = job.source + n * job.source_inner;
  let block = job.result + n * job.result_inner;
  var peak = 0u;
  var sign = 0u;
  for (var i = 0u; i < BLOCK / 4u; i++) {
    let words = source_words[first + i];
    let magnitude = words & vec4u(MAGNITUDE);
    let finite = select(vec4u(0u), magnitude, magnitude < vec4u(INFINITE));
    // The first of the largest decides the sign.
    if (finite.x > peak) {
      peak = finite.x;
      sign = words.x >> 31u;
    }
    if (finite.y > peak) {
      peak = finite.y;
      sign = words.y >> 31u;
    }
    if (finite.z > peak) {
      peak = finite.z;
      sign = words.z >> 31u;
    }
    if (finite.w > peak) {
      peak = finite.w;
      sign = words.w >> 31u;
    }
  }
  let scale = scale_of(vec4u(peak), vec4u(sign));
  scale_words[block] = scale_bits(scale).x;
  let places = vec4u(0u, BITS, 2u * BITS, 3u * BITS);
  var packed = 0u;
  for (var i = 0u; i < BLOCK / 4u; i++) {
    let codes = codes_of(source_words[first + i], scale) << places;
    let four = codes.x | codes.y | codes.z | codes.w;
    if (BITS == 8u) {
      code_words[block * 8u + i] = four;
    } else if ((i & 1u) == 0u) {
      packed = four;
    } else {
      code_words[block * 4u + i / 2u] = packed | (four << 16u);
    }
  }
}

@compute @workgroup_size(64)
fn across_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let n = number_of(id, groups);
  if (n >= job.invocations) {
    return;
  }
  let outer = n / job.inner;
  let inner = n - outer * job.inner;
  let first = job.source + inner * job.source_inner + outer * job.source_outer;
  let block = job.result + inner * job.result_inner + outer * job.result_outer;
  let blocks = vec4u(block) + vec4u(0u, 1u, 2u, 3u) * job.result_block;
  var peak = vec4u(0u);
  var sign = vec4u(0u);
  for (var row = 0u; row < BLOCK; row++) {
    let words = source_words[first + row * job.source_row];
    let magnitude = words & vec4u(MAGNITUDE);
    let is_larger = (magnitude < vec4u(INFINITE)) & (magnitude > peak);
    peak = select(peak, magnitude, is_larger);
    sign = select(sign, words >> vec4u(31u), is_larger);
  }
  let scale = scale_of(peak, sign);
  let bits = scale_bits(scale);
  scale_words[blocks.x] = bits.x;
  scale_words[blocks.y] = bits.y;
  scale_words[blocks.z] = bits.z;
  scale_words[blocks.w] = bits.w;
  let codes = 32u / BITS;
  for (var w = 0u; w < BITS; w++) {
    var packed = vec4u(0u);
    for (var c = 0u; c < codes; c++) {
      let words = source_words[first + (w * codes + c) * job.source_row];
      packed |= codes_of(words, scale) << vec4u(c * BITS);
    }
    let places = blocks * BITS + vec4u(w);
    code_words[places.x] = packed.x;
    code_words[places.y] = packed.y;
    code_words[places.z] = packed.z;
    code_words[places.w] = packed.w;
  }
}
