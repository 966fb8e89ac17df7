// Arcee Fusion: the model where its change is important, the base elsewhere. See the declaration for the formulas.
const LEAST_PROBABILITY = 1e-8;

// Maps all numbers, in order, to positive ones, for a maximum that starts at zero.
fn raised(x: f32) -> f32 {
  if (x >= 0.0) {
    return 1.0 + x;
  }
  return 1.0 / (1.0 - x);
}

fn top(i: u32) {
  add(0u, raised(max(base(i), model(0u, i))));
}

// exp(x) - 1, also where x is small.
fn rise(x: f32) -> f32 {
  if (abs(x) < 0.25) {
    return x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0))))));
  }
  return exp(x) - 1.0;
}

// exp(high) - exp(low) for high - low = step, where high and low are not above zero.
fn growth(high: f32, low: f32, step: f32) -> f32 {
  if (abs(step) < 0.25) {
    return exp(low) * rise(step);
  }
  return exp(high) - exp(low);
}

fn mass(i: u32) {
  let highest = found_top(0u, i);
  let low = base(i) - highest;
  let high = model(0u, i) - highest;
  add(0u, exp(low));
  add(1u, exp(high));
  add(2u, growth(high, low, delta(0u, i)));
}

// (1 + r) ln(1 + r) - r for r >= -1: never negative.
fn excess(r: f32) -> f32 {
  if (abs(r) < 0.125) {
    return r * r * (1.0 / 2.0 - r * (1.0 / 6.0 - r * (1.0 / 12.0 - r * (1.0 / 20.0 - r * (1.0 / 30.0 - r * (1.0 / 42.0 - r * (1.0 / 56.0)))))));
  }
  let ratio = max(1.0 + r, 1e-30);
  return max(0.0, ratio * log(ratio) - r);
}

fn divergence(i: u32) {
  // Logarithms of both probabilities, without the part that is common to them.
  let scale = found_mass(0u, i);
  let shift = found_mass(1u, i);
  let low = base(i) - found_top(0u, i);
  let high = model(0u, i) - found_top(0u, i) - shift;
  let before = exp(low) * scale;
  var change = 0.0;
  let step = delta(0u, i) - shift;
  if (abs(step) < 0.25) {
    change = before * rise(step);
  } else {
    change = exp(high) * scale - before;
  }
  let probability = before + LEAST_PROBABILITY;
  add(0u, probability * excess(change / probability));
}

fn importance(k: u32, i: u32) -> f32 {
  return abs(delta(k, i)) * found_divergence(0u, i);
}

fn merge(i: u32) -> f32 {
  if (importance(0u, i) >= found_importance(0u, i)) {
    return model(0u, i);
  }
  return base(i);
}
