// Measure: what `sums.wgsl` adds up for statistics: the upper triangle of the Gram matrix column by column, then per
// value its absolute sum, and where IS_PLAIN its maximum and how often it is not zero. The values are the deltas, or
// the sources themselves, the base first.
// Values are scaled by 2^20, so that squares of changes down to 1e-25 do not underflow; an exact factor.

const PAIRS = MEASURED * (MEASURED + 1u) / 2u;
const MEASURE_SCALE = 1048576.0;

fn is_maximum(quantity: u32) -> bool {
  return quantity >= PAIRS + MEASURED && quantity < PAIRS + 2u * MEASURED;
}

fn visit_element(i: u32) {
  var value: array<f32, MEASURED>;
  let pivot = base(i);
  if (FIRST_MODEL == 1u) {
    value[0] = pivot * MEASURE_SCALE;
  }
  for (var k = 0u; k < MODELS; k++) {
    value[FIRST_MODEL + k] = (model(k, i) - select(0.0, pivot, IS_DELTA)) * MEASURE_SCALE;
  }
  var q = 0u;
  for (var k = 0u; k < MEASURED; k++) {
    for (var j = 0u; j <= k; j++) {
      add(q, value[j] * value[k]);
      q++;
    }
    let size = abs(value[k]);
    add(PAIRS + k, size);
    if (IS_PLAIN) {
      add(PAIRS + MEASURED + k, size);
      // By the bits: NaN is a change too.
      add(PAIRS + 2u * MEASURED + k, select(0.0, 1.0, (bitcast<u32>(value[k]) & 0x7fffffffu) != 0u));
    }
  }
}
