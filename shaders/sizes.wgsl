// Sizes: counts changes by size in bins of one power of two each; the outer bins hold all that is beyond. A workgroup
// counts in its own memory; `leave_counts` adds what it counted to the piece's counters, bin by bin of model by model.

const SIZE_BINS = 48u;
// The exponent of the first bin: 2^-40 as floats have it, and the factor 2^20 of measure.wgsl.
const FIRST_SIZE = 127 - 40 + 20;

var<workgroup> size_bins: array<atomic<u32>, MODELS * SIZE_BINS>;

// Takes a change that is not zero, as measure.wgsl scales it.
fn count_size(k: u32, change: f32) {
  let exponent = i32((bitcast<u32>(change) >> 23u) & 0xffu);
  let bin = clamp(exponent - FIRST_SIZE, 0, i32(SIZE_BINS) - 1);
  atomicAdd(&size_bins[k * SIZE_BINS + u32(bin)], 1u);
}

fn leave_counts(lane: u32) {
  for (var b = lane; b < MODELS * SIZE_BINS; b += 64u) {
    let counted = atomicLoad(&size_bins[b]);
    if (counted > 0u) {
      atomicAdd(&counters[piece.counter + b], counted);
    }
  }
}
