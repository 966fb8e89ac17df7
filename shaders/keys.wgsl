// Keys: what an exact selection asks of keys, which `key_bits(k, i)` gives by their bits: counts by a digit, counts
// per block, and the bits themselves. Queries are pairs of numbers: a key, and what its bits are compared with.

const KEY_LANES = 256u;

// Elements that one workgroup counts.
const STRETCH_ELEMENTS = 16384u;

// At most 11 bits to a digit: 8 KiB.
var<workgroup> key_bins: array<atomic<u32>, 2048>;
var<workgroup> key_equals: atomic<u32>;

// Counts keys of one query by a digit of their bits where the bits above it are the query's. Items are stretches,
// query by query; counters are queries x bins.
@compute @workgroup_size(256)
fn count_digits(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let item = group.x + group.y * groups.x;
  let stretches = (piece.elements + STRETCH_ELEMENTS - 1u) / STRETCH_ELEMENTS;
  let query = item / stretches;
  let count = 1u << piece.width;
  let is_inside = item < piece.items;
  if (is_inside) {
    find_lines();
    let key = numbers[piece.queries + 2u * query];
    let prefix = numbers[piece.queries + 2u * query + 1u];
    let start = (item % stretches) * STRETCH_ELEMENTS;
    let end = min(start + STRETCH_ELEMENTS, piece.elements);
    for (var four = start + lane * 4u; four < end; four += KEY_LANES * 4u) {
      for (var i = four; i < min(four + 4u, end); i++) {
        let rest = key_bits(key, i) >> piece.shift;
        if ((rest >> piece.width) == prefix) {
          atomicAdd(&key_bins[rest & (count - 1u)], 1u);
        }
      }
    }
  }
  workgroupBarrier();
  if (is_inside) {
    for (var b = lane; b < count; b += KEY_LANES) {
      let counted = atomicLoad(&key_bins[b]);
      if (counted > 0u) {
        atomicAdd(&counters[piece.counter + query * count + b], counted);
      }
    }
  }
}

// Counts keys with exactly the query's bits. Items are blocks, query by query.
@compute @workgroup_size(256)
fn count_equals(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let item = group.x + group.y * groups.x;
  let is_inside = item < piece.items;
  if (is_inside) {
    find_lines();
    let first_block = piece.span_first / BLOCK_ELEMENTS;
    let last_block = (piece.span_first + piece.elements - 1u) / BLOCK_ELEMENTS;
    let block_count = last_block - first_block + 1u;
    let query = piece.queries + 2u * (item / block_count);
    let range = block_range(item % block_count);
    var counted = 0u;
    for (var four = range.x + lane * 4u; four < range.y; four += KEY_LANES * 4u) {
      for (var i = four; i < min(four + 4u, range.y); i++) {
        counted += select(0u, 1u, key_bits(numbers[query], i) == numbers[query + 1u]);
      }
    }
    atomicAdd(&key_equals, counted);
  }
  workgroupBarrier();
  if (is_inside && lane == 0u) {
    result[piece.output_word + item] = atomicLoad(&key_equals);
  }
}

// The bits of one key, of the elements from `first_item` on.
@compute @workgroup_size(256)
fn list_keys(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let item = id.x + id.y * groups.x * KEY_LANES;
  if (item < piece.items) {
    find_lines();
    result[piece.output_word + item] = key_bits(numbers[piece.queries], piece.first_item + item);
  }
}
