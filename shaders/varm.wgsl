// VaRM: the pivot plus the deltas weighted by their share of the change. Down to rows the shares arrive as
// coefficients; per element they are taken here. Deltas are divided by the largest of them before squaring, so
// that the shares of very small changes do not underflow.
fn merge(i: u32) -> f32 {
  let pivot = base(i);
  var sum = 0.0;
  if (param_granularity() != GRANULARITY_ELEMENT) {
    for (var k = 0u; k < MODELS; k++) {
      sum += coefficient(k, i) * delta(k, i);
    }
    return pivot + sum;
  }

  var change: array<f32, MODELS>;
  var score: array<f32, MODELS>;
  var largest = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    change[k] = delta(k, i);
    largest = max(largest, abs(change[k]));
  }
  var total = 0.0;
  if (largest > 0.0) {
    for (var k = 0u; k < MODELS; k++) {
      let size = abs(change[k]) / largest;
      score[k] = weight_of(k) * select(size * size, size, param_statistic() == STATISTIC_ABS);
      total += score[k];
    }
  }
  if (total > 0.0 && is_set(param_temperature())) {
    var top = 0.0;
    for (var k = 0u; k < MODELS; k++) {
      score[k] = score[k] * f32(MODELS) / total / param_temperature();
      top = max(top, score[k]);
    }
    total = 0.0;
    for (var k = 0u; k < MODELS; k++) {
      score[k] = exp(score[k] - top);
      total += score[k];
    }
  }

  // Shares set by hand stand; the others divide what is left of one by evidence.
  var fixed = 0.0;
  var free = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    if (is_set(share_of(k))) {
      fixed += share_of(k);
    } else {
      free += score[k];
    }
  }
  let rest = max(0.0, 1.0 - fixed);
  for (var k = 0u; k < MODELS; k++) {
    var w = 0.0;
    if (is_set(share_of(k))) {
      w = share_of(k);
    } else if (free > 0.0) {
      w = score[k] / free * rest;
    }
    sum += w * change[k];
  }
  return pivot + sum;
}
