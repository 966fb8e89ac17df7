// Measure: what `sums.wgsl` adds up for statistics: the upper triangle of the Gram matrix column by column, then per
// value its absolute sum, and where IS_PLAIN its maximum and how often it is not zero. The values are the deltas, or
// the sources themselves, the base first.
// Where IS_SURVEYED the values are deltas, and behind these stand per pair of models the elements that both changed in
// opposite directions, the elements that any two did, and the base's squares; changes are counted by size (sizes.wgsl).
// Values are scaled by 2^20, but for the base in a survey, so that squares of changes down to 1e-25 do not underflow; an exact factor.

const PAIRS = MEASURED * (MEASURED + 1u) / 2u;
const MEASURE_SCALE = 1048576.0;

fn is_maximum(quantity: u32) -> bool {
  return quantity >= PAIRS + MEASURED && quantity < PAIRS + 2u * MEASURED;
}

// By the bits: a product could vanish.
fn is_change(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) != 0u;
}

fn is_down(value: f32) -> bool {
  return (bitcast<u32>(value) >> 31u) == 1u;
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
      add(PAIRS + 2u * MEASURED + k, select(0.0, 1.0, is_change(value[k])));
    }
  }
  if (IS_SURVEYED) {
    // One bit per model: who moved it up, and who down.
    var ups = 0u;
    var downs = 0u;
    for (var k = 0u; k < MODELS; k++) {
      let own = value[k];
      if (is_change(own)) {
        let bit = 1u << k;
        ups |= select(bit, 0u, is_down(own));
        downs |= select(0u, bit, is_down(own));
        count_size(k, own);
      }
    }
    let first = PAIRS + 3u * MEASURED;
    let contested = first + MODELS * (MODELS - 1u) / 2u;
    if (ups != 0u && downs != 0u) {
      add(contested, 1.0);
      var pair = first;
      for (var k = 1u; k < MODELS; k++) {
        for (var j = 0u; j < k; j++) {
          let are_opposed = ((ups >> j) & (downs >> k) & 1u) | ((downs >> j) & (ups >> k) & 1u);
          add(pair, f32(are_opposed));
          pair++;
        }
      }
    }
    add(contested + 1u, pivot * pivot);
  }
}
