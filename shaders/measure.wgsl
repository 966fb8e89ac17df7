// Measure: the statistics of one block of at most 4096 neighbouring elements of one row (see `merge/layout.ts`
// for why blocks, not chunks, are summed). Per block: the upper triangle of the Gram matrix of the deltas, then
// per model the sum and maximum of |delta| and the number of changed elements. One workgroup sums one block in
// f32; blocks are summed in f64 on the CPU.
// Deltas are scaled by 2^20 first, so that squares of changes down to 1e-25 do not underflow; an exact factor.

const LANES = 64u;
const BLOCK_ELEMENTS = 4096u;
const PAIRS = MODELS * (MODELS + 1u) / 2u;
const QUANTITIES = PAIRS + 3u * MODELS;
const DELTA_SCALE = 1048576.0;

// Sixteen quantities at a time pass through workgroup memory: 4 KiB, however many models there are.
const SHARED = 16u;
var<workgroup> lanes: array<f32, 1024>;

fn is_maximum(quantity: u32) -> bool {
  return quantity >= PAIRS + MODELS && quantity < PAIRS + 2u * MODELS;
}

@compute @workgroup_size(64)
fn measure(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let block = group.x + group.y * groups.x;
  // Uniform over the workgroup, so that the barriers below stay in uniform control flow.
  let is_inside = block < piece.blocks;

  // Blocks are counted along rows; a piece starts at a block boundary of its first row.
  let blocks_per_row = (piece.row_elements + BLOCK_ELEMENTS - 1u) / BLOCK_ELEMENTS;
  let absolute = piece.first_column / BLOCK_ELEMENTS + block;
  let row = absolute / blocks_per_row;
  let column = (absolute % blocks_per_row) * BLOCK_ELEMENTS;
  let first = row * piece.row_elements + column - piece.first_column;
  let count = select(0u, min(BLOCK_ELEMENTS, piece.row_elements - column), is_inside);

  var sums: array<f32, QUANTITIES>;
  var delta: array<f32, MODELS>;
  for (var e = lane; e < count; e += LANES) {
    let i = first + e;
    let pivot = base(i);
    var q = 0u;
    for (var k = 0u; k < MODELS; k++) {
      delta[k] = (model(k, i) - pivot) * DELTA_SCALE;
      let size = abs(delta[k]);
      sums[PAIRS + k] += size;
      sums[PAIRS + MODELS + k] = max(sums[PAIRS + MODELS + k], size);
      sums[PAIRS + 2u * MODELS + k] += select(0.0, 1.0, size > 0.0);
      for (var j = 0u; j <= k; j++) {
        sums[q] += delta[j] * delta[k];
        q++;
      }
    }
  }

  for (var start = 0u; start < QUANTITIES; start += SHARED) {
    for (var s = 0u; s < SHARED; s++) {
      if (start + s < QUANTITIES) {
        lanes[s * LANES + lane] = sums[start + s];
      }
    }
    workgroupBarrier();
    if (is_inside && lane < SHARED && start + lane < QUANTITIES) {
      var total = 0.0;
      for (var l = 0u; l < LANES; l++) {
        let value = lanes[lane * LANES + l];
        total = select(total + value, max(total, value), is_maximum(start + lane));
      }
      result[piece.output_word + block * QUANTITIES + start + lane] = bitcast<u32>(total);
    }
    workgroupBarrier();
  }
}
