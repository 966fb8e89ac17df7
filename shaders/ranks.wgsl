// Ranks: the ascending position of |delta| within its row, ties by index. A piece holds whole rows. Runs of 2048 are
// sorted in workgroup memory; in rows that are longer, neighbouring runs are joined in global memory, each element
// finding its place by a binary search among its neighbour's. What is sorted is the index within the row; the last
// step turns it round and writes, at each element, its rank. Results are models x elements.

const RUN_ELEMENTS = 2048u;
const SORT_LANES = 256u;
const JOIN_LANES = 64u;
const NO_ELEMENT = 0xffffffffu;

// 16 KiB together, which every device has.
var<workgroup> sorted_keys: array<u32, RUN_ELEMENTS>;
var<workgroup> sorted_columns: array<u32, RUN_ELEMENTS>;

// Dtypes are data here, so that these kernels are compiled once: `numbers` holds how many bases there are, then per
// source 0 for F32, 1 for F16, 2 for BF16.
fn source_element(source: u32, i: u32) -> f32 {
  switch numbers[piece.numbers + 1u + source] {
    case 0u: { return load_f32(source, i); }
    case 1u: { return load_f16(source, i); }
    default: { return load_bf16(source, i); }
  }
}

// The bits of |delta|: in the order of the values, NaN last.
fn size_bits(k: u32, i: u32) -> u32 {
  let bases = numbers[piece.numbers];
  var change = source_element(bases + k, i);
  if (bases == 1u) {
    change -= source_element(0u, i);
  }
  return bitcast<u32>(change) & 0x7fffffffu;
}

// Sorts runs, several short rows to a workgroup; `piece.run` is the power of two that holds a run.
@compute @workgroup_size(256)
fn sort_runs(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let size = piece.run;
  let runs_per_row = (piece.row_elements + RUN_ELEMENTS - 1u) / RUN_ELEMENTS;
  let runs_per_model = piece.elements / piece.row_elements * runs_per_row;
  let first_run = (group.x + group.y * groups.x) * (RUN_ELEMENTS / size);
  for (var s = lane; s < RUN_ELEMENTS; s += SORT_LANES) {
    let run = first_run + s / size;
    let column = (run % runs_per_row) * RUN_ELEMENTS + s % size;
    sorted_keys[s] = NO_ELEMENT;
    sorted_columns[s] = NO_ELEMENT;
    if (run < piece.items && column < piece.row_elements) {
      let row = run % runs_per_model / runs_per_row;
      sorted_keys[s] = size_bits(run / runs_per_model, row * piece.row_elements + column);
      sorted_columns[s] = column;
    }
  }
  workgroupBarrier();

  // Bitonic: within `size` every part ends ascending.
  for (var width = 2u; width <= size; width *= 2u) {
    for (var distance = width / 2u; distance > 0u; distance /= 2u) {
      for (var pair = lane; pair < RUN_ELEMENTS / 2u; pair += SORT_LANES) {
        let a = (pair / distance) * distance * 2u + pair % distance;
        let b = a + distance;
        let is_ascending = (a & (size - 1u) & width) == 0u;
        let key_a = sorted_keys[a];
        let key_b = sorted_keys[b];
        let column_a = sorted_columns[a];
        let column_b = sorted_columns[b];
        let is_greater = key_a > key_b || (key_a == key_b && column_a > column_b);
        if (is_greater == is_ascending) {
          sorted_keys[a] = key_b;
          sorted_keys[b] = key_a;
          sorted_columns[a] = column_b;
          sorted_columns[b] = column_a;
        }
      }
      workgroupBarrier();
    }
  }

  for (var s = lane; s < RUN_ELEMENTS; s += SORT_LANES) {
    let run = first_run + s / size;
    let column = sorted_columns[s];
    if (run < piece.items && column != NO_ELEMENT) {
      let model_word = piece.output_word + run / runs_per_model * piece.elements;
      let row_word = model_word + run % runs_per_model / runs_per_row * piece.row_elements;
      if (runs_per_row == 1u) {
        result[row_word + column] = s % size;
      } else {
        result[row_word + run % runs_per_row * RUN_ELEMENTS + s % size] = column;
      }
    }
  }
}

// Joins neighbouring sorted runs of `piece.run` elements; items are models x elements.
@compute @workgroup_size(64)
fn join_runs(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let item = id.x + id.y * groups.x * JOIN_LANES;
  if (item >= piece.items) {
    return;
  }
  let k = item / piece.elements;
  let i = item % piece.elements;
  let at = i % piece.row_elements;
  let row = i - at;
  let row_word = piece.scratch_word + k * piece.elements + row;
  let column = scratch[row_word + at];
  let key = size_bits(k, row + column);

  let start = at / (2u * piece.run) * (2u * piece.run);
  let middle = min(start + piece.run, piece.row_elements);
  let is_left = at < middle;
  // How many of the other run come before: columns on the left are all smaller than those on the right.
  var low = select(start, middle, is_left);
  let first = low;
  var high = select(middle, min(start + 2u * piece.run, piece.row_elements), is_left);
  while (low < high) {
    let probe = (low + high) / 2u;
    let other = size_bits(k, row + scratch[row_word + probe]);
    if (other < key || (other == key && !is_left)) {
      low = probe + 1u;
    } else {
      high = probe;
    }
  }
  let own = at - select(middle, start, is_left);
  let place = start + own + (low - first);
  let out = piece.output_word + k * piece.elements + row;
  if (2u * piece.run >= piece.row_elements) {
    result[out + column] = place;
  } else {
    result[out + place] = column;
  }
}
