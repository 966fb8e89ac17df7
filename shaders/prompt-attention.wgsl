// Attention of a slice of a prompt over the tokens before it and its own, in three passes: scores, their exponentials, and
// sums of values. Stands behind prompt-tiles.wgsl; src/chat/prompt-attention.ts says where it is used.
//
// Rows are those of one head of keys: of each token of the slice its SHARES heads of queries, one after the other. A tile of
// eight rows looks at the tokens that any of them sees: all up to its last; weights of those that a row does not see are zero.

struct Slice {
  // Heads of queries, and how many share a head of keys; vectors of four elements in a head.
  heads: u32,
  shares: u32,
  quarters: u32,
  // Tokens that a head's keys have room for.
  capacity: u32,
  // The slice's first token in the piece, and in the text; how many it has.
  first: u32,
  position: u32,
  tokens: u32,
  // Vectors of four scores in a row: room for the last token of the slice, in whole tiles.
  width: u32,
  scale: f32,
}

// [heads / shares][capacity][quarters]; keys, or values.
@group(0) @binding(1) var<storage, read> values: array<vec4f>;
// [heads / shares][tokens * shares][width]; from `weigh` on exponentials of scores less the row's largest.
@group(0) @binding(2) var<storage, read_write> scores: array<vec4f>;
// [heads / shares][tokens * shares]: sums of those.
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;
// [tokens of the piece][heads][quarters].
@group(0) @binding(4) var<storage, read_write> mixed: array<vec4f>;
@group(0) @binding(5) var<uniform> slice: Slice;

const LEAST = -3.4028234e38;

fn row_count() -> u32 {
  return slice.tokens * slice.shares;
}

// The end of what a row sees.
fn end_of(row: u32) -> u32 {
  return slice.position + min(row, row_count() - 1u) / slice.shares + 1u;
}

// Where the queries of eight rows begin.
fn queries_of(row: u32, head: u32) -> Places {
  return Places(four_queries(row, head), four_queries(row + 4u, head));
}

fn four_queries(row: u32, head: u32) -> vec4u {
  let rows = min(vec4u(row) + FOUR, vec4u(row_count() - 1u));
  let tokens = rows / slice.shares;
  return ((tokens + slice.first) * slice.heads + head * slice.shares + (rows - tokens * slice.shares)) * slice.quarters;
}

fn write_scores(at: u32, row: u32, a: vec4f, b: vec4f) {
  if (row < row_count()) {
    scores[at] = a * slice.scale;
    scores[at + 1u] = b * slice.scale;
  }
}

// id: a tile of keys, a tile of rows, a head of keys. x holds the queries.
@compute @workgroup_size(16)
fn score(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 8u;
  let key = id.x * 8u;
  if (key >= end_of(row + 7u)) {
    return;
  }
  let queries = queries_of(row, id.z);
  let last = vec4u(end_of(row_count()) - 1u);
  let base = id.z * slice.capacity;
  let low_keys = (base + min(vec4u(key) + FOUR, last)) * slice.quarters;
  let high_keys = (base + min(vec4u(key + 4u) + FOUR, last)) * slice.quarters;
  var sums = Sums();
  for (var i = 0u; i < slice.quarters; i++) {
    let w = Columns(
      values[low_keys.x + i],
      values[low_keys.y + i],
      values[low_keys.z + i],
      values[low_keys.w + i],
      values[high_keys.x + i],
      values[high_keys.y + i],
      values[high_keys.z + i],
      values[high_keys.w + i],
    );
    add(&sums, queries, i, w);
  }
  let at = (id.z * row_count() + row) * slice.width + id.x * 2u;
  write_scores(at, row, sums.a0, sums.b0);
  write_scores(at + slice.width, row + 1u, sums.a1, sums.b1);
  write_scores(at + 2u * slice.width, row + 2u, sums.a2, sums.b2);
  write_scores(at + 3u * slice.width, row + 3u, sums.a3, sums.b3);
  write_scores(at + 4u * slice.width, row + 4u, sums.a4, sums.b4);
  write_scores(at + 5u * slice.width, row + 5u, sums.a5, sums.b5);
  write_scores(at + 6u * slice.width, row + 6u, sums.a6, sums.b6);
  write_scores(at + 7u * slice.width, row + 7u, sums.a7, sums.b7);
}

// id: a row, -, a head of keys. What a tile looks at and a row does not see was left as it was.
@compute @workgroup_size(16)
fn weigh(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= row_count()) {
    return;
  }
  let tile = id.x / 8u * 8u;
  let end = (end_of(tile + 7u) + 3u) / 4u;
  let seen = vec4u(end_of(id.x));
  let row = id.z * row_count() + id.x;
  let at = row * slice.width;
  var most = vec4f(LEAST);
  for (var i = 0u; i < end; i++) {
    let token = vec4u(4u * i) + FOUR;
    most = max(most, select(vec4f(LEAST), scores[at + i], token < seen));
  }
  let largest = max(max(most.x, most.y), max(most.z, most.w));
  var total = vec4f();
  for (var i = 0u; i < end; i++) {
    let token = vec4u(4u * i) + FOUR;
    let is_seen = token < seen;
    let weight = select(vec4f(), exp(select(vec4f(), scores[at + i] - largest, is_seen)), is_seen);
    scores[at + i] = weight;
    total += weight;
  }
  totals[row] = (total.x + total.y) + (total.z + total.w);
}

fn write_mixed(at: u32, row: u32, head: u32, a: vec4f, b: vec4f) {
  if (row < row_count()) {
    let total = totals[head * row_count() + row];
    mixed[at] = a / total;
    mixed[at + 1u] = b / total;
  }
}

// id: eight elements of a head, a tile of rows, a head of keys. x holds the weights.
@compute @workgroup_size(8)
fn mix(@builtin(global_invocation_id) id: vec3u) {
  if (2u * id.x >= slice.quarters) {
    return;
  }
  let row = id.y * 8u;
  let end = end_of(row + 7u);
  let count = row_count();
  let rows = places(row, count, slice.width);
  let weights = Places(rows.low + id.z * count * slice.width, rows.high + id.z * count * slice.width);
  let base = id.z * slice.capacity;
  var sums = Sums();
  for (var i = 0u; i < (end + 3u) / 4u; i++) {
    // Beyond the end is whatever was there, whose weight is zero unless it is no number.
    let at = (base + min(vec4u(4u * i) + FOUR, vec4u(end - 1u))) * slice.quarters + 2u * id.x;
    let a = transpose(mat4x4f(values[at.x], values[at.y], values[at.z], values[at.w]));
    let b = transpose(mat4x4f(values[at.x + 1u], values[at.y + 1u], values[at.z + 1u], values[at.w + 1u]));
    add(&sums, weights, i, Columns(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]));
  }
  let low_places = four_queries(row, id.z) + 2u * id.x;
  let high_places = four_queries(row + 4u, id.z) + 2u * id.x;
  write_mixed(low_places.x, row, id.z, sums.a0, sums.b0);
  write_mixed(low_places.y, row + 1u, id.z, sums.a1, sums.b1);
  write_mixed(low_places.z, row + 2u, id.z, sums.a2, sums.b2);
  write_mixed(low_places.w, row + 3u, id.z, sums.a3, sums.b3);
  write_mixed(high_places.x, row + 4u, id.z, sums.a4, sums.b4);
  write_mixed(high_places.y, row + 5u, id.z, sums.a5, sums.b5);
  write_mixed(high_places.z, row + 6u, id.z, sums.a6, sums.b6);
  write_mixed(high_places.w, row + 7u, id.z, sums.a7, sums.b7);
}
