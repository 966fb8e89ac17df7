// Random: Philox4x32-10, as `methods/random.ts` defines it: keyed by stream, counted by the element's index in its
// tensor. Four neighbouring elements share a block, so the last block of every stream is kept.

var<private> random_words: array<vec4<u32>, MODELS>;
// The block's number plus one; 0 before there is one.
var<private> random_blocks: array<u32, MODELS>;

// The high 32 bits of a product: WGSL has no wider integers.
fn high_product(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let carry = a_low * b_high + (middle & 0xffffu);
  return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}

fn philox(block: u32, first_key: u32, second_key: u32) -> vec4<u32> {
  var x = vec4<u32>(block, 0u, 0u, 0u);
  var key = vec2<u32>(first_key, second_key);
  for (var round = 0u; round < 10u; round++) {
    x = vec4<u32>(
      high_product(0xcd9e8d57u, x.z) ^ x.y ^ key.x,
      0xcd9e8d57u * x.z,
      high_product(0xd2511f53u, x.x) ^ x.w ^ key.y,
      0xd2511f53u * x.x,
    );
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}

fn random(k: u32, i: u32) -> f32 {
  let index = piece.first_index + i;
  let block = index / 4u;
  if (random_blocks[k] != block + 1u) {
    let stream = piece.numbers + STREAMS + 2u * k;
    random_words[k] = philox(block, numbers[stream], numbers[stream + 1u]);
    random_blocks[k] = block + 1u;
  }
  return f32(random_words[k][index % 4u] >> 8u) * 5.9604644775390625e-8;
}
