// Sums: a reduction around an element function, which calls `add(quantity, value)`. Sums are f32 within a block of
// the tensor or of a row (`sum_blocks`: one workgroup each), or over 32 rows of a column (`sum_columns`: one thread each);
// the host adds these partial sums in f64. QUANTITIES, `is_maximum`, `visit_element` and `leave_counts` (what a workgroup
// counted beside its sums) are composed around it.

const SUM_LANES = 64u;
const COLUMN_BLOCK_ROWS = 32u;

// Sixteen quantities at a time pass through workgroup memory: 4 KiB, however many there are.
const SUM_SHARED = 16u;
var<workgroup> sum_lanes: array<u32, 1024>;

// Floats by their bits. Maxima are of values that are not negative, whose bits are in order, NaN the largest: a
// maximum of floats could lose a NaN.
var<private> sum_values: array<u32, QUANTITIES>;

fn sum_joined(quantity: u32, a: u32, b: u32) -> u32 {
  if (is_maximum(quantity)) {
    return max(a, b);
  }
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}

fn add(quantity: u32, value: f32) {
  if (is_maximum(quantity)) {
    sum_values[quantity] = max(sum_values[quantity], bitcast<u32>(value) & 0x7fffffffu);
  } else {
    sum_values[quantity] = bitcast<u32>(bitcast<f32>(sum_values[quantity]) + value);
  }
}

@compute @workgroup_size(64)
fn sum_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let item = group.x + group.y * groups.x;
  // Uniform over the workgroup, so that the barriers below stay in uniform control flow.
  let is_inside = item < piece.items;
  if (is_inside) {
    find_lines();
    let range = block_range(piece.first_item + item);
    // Four neighbours at a time: they share a block of random numbers, and words of 16-bit sources.
    for (var four = range.x + lane * 4u; four < range.y; four += SUM_LANES * 4u) {
      for (var i = four; i < min(four + 4u, range.y); i++) {
        visit_element(i);
      }
    }
  }
  for (var start = 0u; start < QUANTITIES; start += SUM_SHARED) {
    for (var s = 0u; s < SUM_SHARED; s++) {
      if (start + s < QUANTITIES) {
        sum_lanes[s * SUM_LANES + lane] = sum_values[start + s];
      }
    }
    workgroupBarrier();
    if (is_inside && lane < SUM_SHARED && start + lane < QUANTITIES) {
      var total = 0u;
      for (var l = 0u; l < SUM_LANES; l++) {
        total = sum_joined(start + lane, total, sum_lanes[lane * SUM_LANES + l]);
      }
      result[piece.output_word + item * QUANTITIES + start + lane] = total;
    }
    workgroupBarrier();
  }
  if (is_inside) {
    leave_counts(lane);
  }
}

// Blocks of rows are counted from the tensor's first row; an item is one column of one of them.
@compute @workgroup_size(64)
fn sum_columns(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let item = id.x + id.y * groups.x * SUM_LANES;
  if (item >= piece.items) {
    return;
  }
  find_lines();
  let absolute = piece.first_item + item;
  let first_row = piece.first_index / piece.row_elements;
  let block = first_row / COLUMN_BLOCK_ROWS + absolute / piece.row_elements;
  let column = absolute % piece.row_elements;
  for (var r = 0u; r < COLUMN_BLOCK_ROWS; r++) {
    let row = block * COLUMN_BLOCK_ROWS + r;
    if (row >= first_row) {
      let at = (row - first_row) * piece.row_elements + column;
      if (at >= piece.first_column && at - piece.first_column < piece.elements) {
        visit_element(at - piece.first_column);
      }
    }
  }
  for (var q = 0u; q < QUANTITIES; q++) {
    result[piece.output_word + q * piece.items + item] = sum_values[q];
  }
}
