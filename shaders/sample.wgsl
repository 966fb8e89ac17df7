// Ranks a row of logits: its first RANKS tokens in order of value (equal ones by index), its largest value and the sum of
// exponentials, raw and with the repetition penalty. And scores rows: the sum of exponentials and the logit of one token.
// Chat's sampler (src/chat/sampler.ts) binds it; it is no method.
//
// `rank_slices`: each workgroup looks at one slice and keeps its first RANKS. `rank_row`: one workgroup does the same with
// what the slices kept. Both select by counting digits, so that they need neither subgroups nor much shared memory.
// Values are looked at as bits first: a compiler may assume that there is no NaN and no infinity.

const RANKS = 128u;
const THREADS = 256u;
/// Words of a record: 4 of facts, then a key and an index for each rank.
const SLICE_WORDS = 260u;
/// Words of a row's record: 8 of facts, then an index and the raw bits for each rank.
const ROW_WORDS = 264u;
const LOWEST = -3.4028234663852886e38;
/// Flags of a row: there is NaN, there is plus infinity, there is anything above minus infinity.
const HAS_NAN = 1u;
const HAS_INFINITY = 2u;
const HAS_ANY = 4u;

struct Job {
  /// The row's first word in the binding, its tokens, and how many of them make a slice.
  first: u32,
  tokens: u32,
  slice: u32,
  slices: u32,
  /// What positive and other logits of seen tokens are multiplied by.
  above: f32,
  below: f32,
  /// 1 / temperature, and the difference below which nothing counts: -60 temperatures.
  scale: f32,
  least: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<u32>;
/// One bit per token of prompt and reply.
@group(0) @binding(1) var<storage, read> seen: array<u32>;
@group(0) @binding(2) var<storage, read_write> kept: array<u32>;
@group(0) @binding(3) var<storage, read_write> found: array<u32>;
@group(0) @binding(4) var<uniform> job: Job;
/// For `score_rows`: a token for each row.
@group(0) @binding(5) var<storage, read> targets: array<u32>;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> scan: array<u32, 256>;
var<workgroup> ends: array<u32, 16>;
var<workgroup> floats: array<f32, 256>;
var<workgroup> others: array<f32, 256>;
var<workgroup> flags: atomic<u32>;
var<workgroup> digit: u32;
var<workgroup> wanted: u32;
var<workgroup> picked_key: array<u32, 128>;
var<workgroup> picked_index: array<u32, 128>;

fn is_nan(bits: u32) -> bool {
  return (bits & 0x7fffffffu) > 0x7f800000u;
}

fn is_finite(bits: u32) -> bool {
  return (bits & 0x7fffffffu) < 0x7f800000u;
}

fn flags_of(bits: u32) -> u32 {
  if (is_nan(bits)) {
    return HAS_NAN;
  }
  return select(select(HAS_ANY, HAS_ANY | HAS_INFINITY, bits == 0x7f800000u), 0u, bits == 0xff800000u);
}

/// A number that orders as the value does; minus zero is zero.
fn key_of(bits: u32) -> u32 {
  let value = select(bits, 0u, bits == 0x80000000u);
  return select(value | 0x80000000u, ~value, (value & 0x80000000u) != 0u);
}

/// The bits of a token's logit in a view: 0 is raw, 1 is penalised.
fn bits_at(token: u32, view: u32) -> u32 {
  let bits = logits[job.first + token];
  if (view == 0u || !is_finite(bits) || (seen[token / 32u] & (1u << (token % 32u))) == 0u) {
    return bits;
  }
  let value = bitcast<f32>(bits);
  return bitcast<u32>(clamp(value * select(job.below, job.above, value > 0.0), LOWEST, -LOWEST));
}

/// a - b, without overflow.
fn gap(a: f32, b: f32) -> f32 {
  return 2.0 * max(a * 0.5 - b * 0.5, -1e30);
}

/// Sixteen of `floats` that stand `stride` apart, or of `others`.
fn apart(first: u32, stride: u32) -> mat4x4f {
  return mat4x4f(
    vec4f(floats[first], floats[first + stride], floats[first + 2u * stride], floats[first + 3u * stride]),
    vec4f(floats[first + 4u * stride], floats[first + 5u * stride], floats[first + 6u * stride], floats[first + 7u * stride]),
    vec4f(floats[first + 8u * stride], floats[first + 9u * stride], floats[first + 10u * stride], floats[first + 11u * stride]),
    vec4f(floats[first + 12u * stride], floats[first + 13u * stride], floats[first + 14u * stride], floats[first + 15u * stride]),
  );
}

fn others_apart(first: u32, stride: u32) -> mat4x4f {
  return mat4x4f(
    vec4f(others[first], others[first + stride], others[first + 2u * stride], others[first + 3u * stride]),
    vec4f(others[first + 4u * stride], others[first + 5u * stride], others[first + 6u * stride], others[first + 7u * stride]),
    vec4f(others[first + 8u * stride], others[first + 9u * stride], others[first + 10u * stride], others[first + 11u * stride]),
    vec4f(others[first + 12u * stride], others[first + 13u * stride], others[first + 14u * stride], others[first + 15u * stride]),
  );
}

/// The sum of sixteen, by halves: each of the first eight with the one eight places on, and so on.
fn sum_of(all: mat4x4f) -> f32 {
  let four = (all[0] + all[2]) + (all[1] + all[3]);
  let two = four.xy + four.zw;
  return two.x + two.y;
}

fn most_of(all: mat4x4f) -> f32 {
  let four = max(max(all[0], all[2]), max(all[1], all[3]));
  let two = max(four.xy, four.zw);
  return max(two.x, two.y);
}

/// The largest of all threads' values.
fn largest_of(value: f32, thread: u32) -> f32 {
  floats[thread] = value;
  workgroupBarrier();
  // Barriers are what costs in software: sixteen values at a time need two where halves would need eight.
  if (thread < 16u) {
    floats[thread] = most_of(apart(thread, 16u));
  }
  workgroupBarrier();
  let largest = most_of(apart(0u, 1u));
  workgroupBarrier();
  return largest;
}

/// The sums of all threads' values, by halves.
fn sums_of(one: f32, other: f32, thread: u32) -> vec2f {
  floats[thread] = one;
  others[thread] = other;
  workgroupBarrier();
  if (thread < 16u) {
    floats[thread] = sum_of(apart(thread, 16u));
    others[thread] = sum_of(others_apart(thread, 16u));
  }
  workgroupBarrier();
  let sums = vec2f(sum_of(apart(0u, 1u)), sum_of(others_apart(0u, 1u)));
  workgroupBarrier();
  return sums;
}

/// Turns `scan` into sums of all entries up to each.
fn add_up(thread: u32) {
  if (thread < 16u) {
    var sum = 0u;
    for (var i = 16u * thread; i < 16u * thread + 16u; i++) {
      sum += scan[i];
      scan[i] = sum;
    }
    ends[thread] = sum;
  }
  workgroupBarrier();
  var before = 0u;
  for (var i = 0u; i < thread / 16u; i++) {
    before += ends[i];
  }
  scan[thread] += before;
  workgroupBarrier();
}

/// Items that are selected from: a slice's tokens, or what the slices kept.
fn key_at(item: u32, origin: u32, view: u32, is_row: bool) -> u32 {
  if (is_row) {
    return kept[origin + (item / RANKS) * SLICE_WORDS + 4u + 2u * (item % RANKS)];
  }
  return key_of(bits_at(origin + item, view));
}

fn index_at(item: u32, origin: u32, is_row: bool) -> u32 {
  if (is_row) {
    return kept[origin + (item / RANKS) * SLICE_WORDS + 5u + 2u * (item % RANKS)];
  }
  return origin + item;
}

/// Puts the first RANKS of some items, in order of the items, into `picked_*`; gives how many.
fn pick(items: u32, origin: u32, view: u32, is_row: bool, thread: u32) -> u32 {
  let total = min(items, RANKS);
  // The digits that are known of the key of the last one, from the highest on.
  var threshold = 0u;
  if (thread == 0u) {
    wanted = total;
  }
  for (var pass_number = 0u; pass_number < 4u; pass_number++) {
    let shift = 24u - 8u * pass_number;
    atomicStore(&counts[thread], 0u);
    workgroupBarrier();
    let still = wanted;
    for (var item = thread; item < items; item += THREADS) {
      let key = key_at(item, origin, view, is_row);
      if (pass_number == 0u || (key >> ((shift + 8u) % 32u)) == (threshold >> ((shift + 8u) % 32u))) {
        atomicAdd(&counts[(key >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    // Thread t stands for the digit 255 - t: sums then run from the largest digit on.
    let count = atomicLoad(&counts[255u - thread]);
    scan[thread] = count;
    workgroupBarrier();
    add_up(thread);
    let above = scan[thread] - count;
    if (above < still && still <= above + count) {
      digit = 255u - thread;
      wanted = still - above;
    }
    workgroupBarrier();
    threshold |= digit << shift;
  }
  // Of those that equal the threshold the first `equals` are taken. Each thread looks at neighbours, to keep the order.
  let equals = wanted;
  let share = (items + THREADS - 1u) / THREADS;
  let start = min(thread * share, items);
  let end = min(start + share, items);
  var larger = 0u;
  var equal = 0u;
  for (var item = start; item < end; item++) {
    let key = key_at(item, origin, view, is_row);
    larger += select(0u, 1u, key > threshold);
    equal += select(0u, 1u, key == threshold);
  }
  scan[thread] = larger;
  workgroupBarrier();
  add_up(thread);
  let larger_before = scan[thread] - larger;
  workgroupBarrier();
  scan[thread] = equal;
  workgroupBarrier();
  add_up(thread);
  var equal_before = scan[thread] - equal;
  var place = larger_before + min(equal_before, equals);
  for (var item = start; item < end; item++) {
    let key = key_at(item, origin, view, is_row);
    var is_taken = key > threshold;
    if (key == threshold) {
      is_taken = equal_before < equals;
      equal_before++;
    }
    if (is_taken && place < RANKS) {
      picked_key[place] = key;
      picked_index[place] = index_at(item, origin, is_row);
      place++;
    }
  }
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(256)
fn rank_slices(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let view = group.y;
  let origin = group.x * job.slice;
  let items = min(job.slice, job.tokens - origin);
  let record = (view * job.slices + group.x) * SLICE_WORDS;

  var mine = 0u;
  var largest = LOWEST;
  for (var item = thread; item < items; item += THREADS) {
    let bits = bits_at(origin + item, view);
    mine |= flags_of(bits);
    if (is_finite(bits)) {
      largest = max(largest, bitcast<f32>(bits));
    }
  }
  if (thread == 0u) {
    atomicStore(&flags, 0u);
  }
  workgroupBarrier();
  atomicOr(&flags, mine);
  largest = largest_of(largest, thread);
  var one = 0.0;
  var other = 0.0;
  for (var item = thread; item < items; item += THREADS) {
    let bits = bits_at(origin + item, view);
    if (is_finite(bits)) {
      let difference = gap(bitcast<f32>(bits), largest);
      one += exp(max(difference, -60.0));
      other += exp(max(difference, job.least) * job.scale);
    }
  }
  let sums = sums_of(one, other, thread);
  let total = pick(items, origin, view, false, thread);
  if (thread == 0u) {
    kept[record] = bitcast<u32>(largest);
    kept[record + 1u] = bitcast<u32>(sums.x);
    kept[record + 2u] = bitcast<u32>(sums.y);
    kept[record + 3u] = atomicLoad(&flags);
  }
  if (thread < RANKS) {
    // What no token fills ranks below everything.
    kept[record + 4u + 2u * thread] = select(0u, picked_key[thread], thread < total);
    kept[record + 5u + 2u * thread] = select(0xffffffffu, picked_index[thread], thread < total);
  }
}

@compute @workgroup_size(256)
fn rank_row(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let view = group.x;
  let origin = view * job.slices * SLICE_WORDS;
  var mine = 0u;
  var largest = LOWEST;
  for (var slice = thread; slice < job.slices; slice += THREADS) {
    largest = max(largest, bitcast<f32>(kept[origin + slice * SLICE_WORDS]));
    mine |= kept[origin + slice * SLICE_WORDS + 3u];
  }
  if (thread == 0u) {
    atomicStore(&flags, 0u);
  }
  workgroupBarrier();
  atomicOr(&flags, mine);
  largest = largest_of(largest, thread);
  var one = 0.0;
  var other = 0.0;
  for (var slice = thread; slice < job.slices; slice += THREADS) {
    let record = origin + slice * SLICE_WORDS;
    let difference = gap(bitcast<f32>(kept[record]), largest);
    one += bitcast<f32>(kept[record + 1u]) * exp(max(difference, -60.0));
    other += bitcast<f32>(kept[record + 2u]) * exp(max(difference, job.least) * job.scale);
  }
  let sums = sums_of(one, other, thread);
  let picked = pick(job.slices * RANKS, origin, view, true, thread);
  let total = min(picked, job.tokens);
  let result = view * ROW_WORDS;
  if (thread == 0u) {
    found[result] = atomicLoad(&flags);
    found[result + 1u] = bitcast<u32>(largest);
    found[result + 2u] = bitcast<u32>(sums.x);
    found[result + 3u] = bitcast<u32>(sums.y);
    found[result + 4u] = total;
  }
  if (thread < total) {
    let key = picked_key[thread];
    var rank = 0u;
    for (var other_one = 0u; other_one < total; other_one++) {
      let other_key = picked_key[other_one];
      rank += select(0u, 1u, other_key > key || (other_key == key && other_one < thread));
    }
    let index = picked_index[thread];
    found[result + 8u + 2u * rank] = index;
    found[result + 9u + 2u * rank] = logits[job.first + index];
    if (rank == total - 1u) {
      found[result + 5u] = key;
    }
  }
}

@compute @workgroup_size(256)
fn score_rows(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let origin = job.first + group.x * job.tokens;
  var mine = 0u;
  var largest = LOWEST;
  for (var token = thread; token < job.tokens; token += THREADS) {
    let bits = logits[origin + token];
    mine |= flags_of(bits);
    if (is_finite(bits)) {
      largest = max(largest, bitcast<f32>(bits));
    }
  }
  if (thread == 0u) {
    atomicStore(&flags, 0u);
  }
  workgroupBarrier();
  atomicOr(&flags, mine);
  largest = largest_of(largest, thread);
  // Partial sums of a few each, so that small terms are not lost in a large sum.
  var sum = 0.0;
  for (var start = thread; start < job.tokens; start += 32u * THREADS) {
    var part = 0.0;
    for (var token = start; token < min(start + 32u * THREADS, job.tokens); token += THREADS) {
      let bits = logits[origin + token];
      if (is_finite(bits)) {
        part += exp(max(gap(bitcast<f32>(bits), largest), -60.0));
      }
    }
    sum += part;
  }
  let sums = sums_of(sum, 0.0, thread);
  if (thread == 0u) {
    let result = 4u * group.x;
    found[result] = atomicLoad(&flags);
    found[result + 1u] = bitcast<u32>(largest);
    found[result + 2u] = bitcast<u32>(sums.x);
    found[result + 3u] = logits[origin + targets[group.x]];
  }
}
