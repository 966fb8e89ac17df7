// Attention of one new token over cached keys and values, in four passes: a score for each token and head, its weight within
// a split of the text, sums of values over splits, and the splits put together. `decode-attention.ts` writes the constants above and
// says how many workgroups run: LANES (of a workgroup), HEADS, SHARES (query heads to a head of keys), QUARTERS (of a
// head, four elements each), HEADS_AT_ONCE, TOKENS_AT_ONCE and QUARTERS_AT_ONCE (in one invocation), PLACES (QUARTERS
// over QUARTERS_AT_ONCE), SPLIT_TOKENS, MOST_SPLITS.
//
// No pass needs a barrier, workgroup memory, subgroups or half floats. A software adapter plays a barrier by putting
// every invocation aside, which costs more than all the products between two of them; and it loads lane by lane, so that
// what one load serves is what decides: several heads, several tokens, several quarters. On a GPU the same blocks give
// each invocation several loads to wait for at once. Each key and value is read once for HEADS_AT_ONCE heads. In `score`
// neighbours read neighbouring rows from their beginnings on, and so use up whole cache lines while these are in the
// first-level cache; in `mix` and `join` neighbours read neighbouring elements. Exponentials have a pass of their own: `mix`
// would work each of them out PLACES times, and in software they cost more than the products.

struct Layer {
  // Tokens that a head's keys have room for.
  capacity: u32,
  // How many tokens the new one sees, itself included.
  window: u32,
  scale: f32,
}

// [HEADS][QUARTERS]; of the new token.
@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
// [HEADS / SHARES][capacity][QUARTERS]; the new token's are the last of those that count.
@group(0) @binding(1) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<vec4<f32>>;
// The number of tokens, the new one included.
@group(0) @binding(3) var<storage, read> total_tokens: array<i32>;
// [HEADS][capacity]; from `weigh` on weights: exponentials of scores less the largest of their split.
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;
// [HEADS][MOST_SPLITS][QUARTERS + 1]: sums of weighted values; then the largest score and the sum of weights.
@group(0) @binding(5) var<storage, read_write> sums: array<vec4<f32>>;
// [HEADS][QUARTERS].
@group(0) @binding(6) var<storage, read_write> mixed: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> layer: Layer;

const LEAST = -3.4028234e38;

// The first token that is seen, and the end of all.
fn seen() -> vec2<u32> {
  let end = min(u32(max(total_tokens[0], 0)), layer.capacity);
  return vec2<u32>(end - min(end, layer.window), end);
}

// Tokens of a split: as few as keep many invocations at work, and so many that few splits are put together.
fn split_tokens(tokens: u32) -> u32 {
  return max(SPLIT_TOKENS, (tokens + MOST_SPLITS - 1u) / MOST_SPLITS);
}

// group.x: a tile of tokens among those that are seen, of which each invocation takes every LANES-th. group.y: the heads.
@compute @workgroup_size(LANES)
fn score(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = seen();
  let first = span.x + group.x * LANES * TOKENS_AT_ONCE + lane;
  if (first >= span.y) {
    return;
  }
  let head = group.y * HEADS_AT_ONCE;
  let row = head / SHARES * layer.capacity;
  var at: array<u32, TOKENS_AT_ONCE>;
  for (var t = 0u; t < TOKENS_AT_ONCE; t++) {
    // What lies behind the text is not for us to read.
    at[t] = (row + min(first + t * LANES, span.y - 1u)) * QUARTERS;
  }
  var products: array<f32, HEADS_AT_ONCE * TOKENS_AT_ONCE>;
  for (var d = 0u; d < QUARTERS; d++) {
    var key: array<vec4<f32>, TOKENS_AT_ONCE>;
    for (var t = 0u; t < TOKENS_AT_ONCE; t++) {
      key[t] = keys[at[t] + d];
    }
    for (var h = 0u; h < HEADS_AT_ONCE; h++) {
      let query = queries[(head + h) * QUARTERS + d];
      for (var t = 0u; t < TOKENS_AT_ONCE; t++) {
        products[h * TOKENS_AT_ONCE + t] += dot(key[t], query);
      }
    }
  }
  for (var t = 0u; t < TOKENS_AT_ONCE; t++) {
    let token = first + t * LANES;
    if (token < span.y) {
      for (var h = 0u; h < HEADS_AT_ONCE; h++) {
        scores[(head + h) * layer.capacity + token] = products[h * TOKENS_AT_ONCE + t] * layer.scale;
      }
    }
  }
}

// id.x: the split. id.y: the head.
@compute @workgroup_size(LANES)
fn weigh(@builtin(global_invocation_id) id: vec3<u32>) {
  let span = seen();
  let tokens = split_tokens(span.y - span.x);
  let start = span.x + id.x * tokens;
  if (start >= span.y) {
    return;
  }
  let row = id.y * layer.capacity;
  let end = row + min(start + tokens, span.y);
  var largest = LEAST;
  for (var at = row + start; at < end; at++) {
    largest = max(largest, scores[at]);
  }
  var total = 0.0;
  for (var at = row + start; at < end; at++) {
    let weight = exp(scores[at] - largest);
    scores[at] = weight;
    total += weight;
  }
  sums[(id.y * MOST_SPLITS + id.x) * (QUARTERS + 1u) + QUARTERS] = vec4<f32>(largest, total, 0.0, 0.0);
}

// id.x: the split, and the place in it: quarters PLACES apart. id.y: the heads.
@compute @workgroup_size(LANES)
fn mix(@builtin(global_invocation_id) id: vec3<u32>) {
  let span = seen();
  let tokens = split_tokens(span.y - span.x);
  let split = id.x / PLACES;
  let place = id.x % PLACES;
  let start = span.x + split * tokens;
  if (start >= span.y) {
    return;
  }
  let end = min(start + tokens, span.y);
  let head = id.y * HEADS_AT_ONCE;
  let row = head / SHARES * layer.capacity;
  var sum: array<vec4<f32>, HEADS_AT_ONCE * QUARTERS_AT_ONCE>;
  for (var token = start; token < end; token++) {
    let at = (row + token) * QUARTERS + place;
    var value: array<vec4<f32>, QUARTERS_AT_ONCE>;
    for (var n = 0u; n < QUARTERS_AT_ONCE; n++) {
      value[n] = values[at + n * PLACES];
    }
    for (var h = 0u; h < HEADS_AT_ONCE; h++) {
      let weight = scores[(head + h) * layer.capacity + token];
      for (var n = 0u; n < QUARTERS_AT_ONCE; n++) {
        sum[h * QUARTERS_AT_ONCE + n] += weight * value[n];
      }
    }
  }
  for (var h = 0u; h < HEADS_AT_ONCE; h++) {
    let at = ((head + h) * MOST_SPLITS + split) * (QUARTERS + 1u);
    for (var n = 0u; n < QUARTERS_AT_ONCE; n++) {
      sums[at + place + n * PLACES] = sum[h * QUARTERS_AT_ONCE + n];
    }
  }
}

// id.x: the head, and the quarter in it.
@compute @workgroup_size(LANES)
fn join(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x / QUARTERS;
  let d = id.x % QUARTERS;
  if (head >= HEADS) {
    return;
  }
  let span = seen();
  let tokens = split_tokens(span.y - span.x);
  let splits = (span.y - span.x + tokens - 1u) / tokens;
  let first = head * MOST_SPLITS * (QUARTERS + 1u);
  var largest = LEAST;
  for (var split = 0u; split < splits; split++) {
    largest = max(largest, sums[first + split * (QUARTERS + 1u) + QUARTERS].x);
  }
  var total = 0.0;
  var sum = vec4<f32>(0.0);
  for (var split = 0u; split < splits; split++) {
    let at = first + split * (QUARTERS + 1u);
    let found = sums[at + QUARTERS].xy;
    let weight = exp(found.x - largest);
    total += weight * found.y;
    sum += weight * sums[at + d];
  }
  mixed[id.x] = sum / total;
}
