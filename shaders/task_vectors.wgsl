// Task vectors: what the methods share that thin out each model's change from the base, weigh the changes and add
// them up. Beside it stands a file that says which elements stay:
//     fn is_kept(k: u32, i: u32) -> bool      whether element i of model k's change stays
//     fn scale(k: u32, i: u32) -> f32         what a change that stays is multiplied by

// The key of selections: how much an element changed.
fn magnitude(k: u32, i: u32) -> f32 {
  return abs(delta(k, i));
}

// The sums that `l1_factor` comes from: of each model Σ|δ|, then of each Σ|δ| over what stays.
fn l1(i: u32) {
  for (var k = 0u; k < MODELS; k++) {
    let size = abs(delta(k, i));
    add(k, size);
    add(MODELS + k, select(0.0, size, is_kept(k, i)));
  }
}

// What gives a thinned out change the L1 norm that it had; 1 where that was not asked for.
fn l1_factor(k: u32, i: u32) -> f32 {
  let factor = found_l1(k, i);
  return select(1.0, factor, factor > 0.0);
}

fn thinned(k: u32, i: u32) -> f32 {
  return select(0.0, scale(k, i) * delta(k, i), is_kept(k, i));
}

// The base and the weighted sum of the thinned out changes. Coefficients carry lambda and normalisation.
fn summed(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * thinned(k, i);
  }
  return base(i) + sum;
}

// A product as float32 has it. A multiplication fused with the addition that follows it, as GPUs like to do, would
// leave a remainder of changes that cancel out, and let it decide on the sign. Mixing in a zero that no compiler can
// know to be one keeps the two apart.
fn product(a: f32, b: f32) -> f32 {
  let zero = select(0u, 1u, param_lambda() < -3.0e38);
  return bitcast<f32>(bitcast<u32>(a * b) ^ zero);
}

// The same over those changes only that have the sign of the sum of all, counted as positive where it is zero. The
// divisor differs from element to element, so weights come as they are in the recipe, and lambda last.
fn elected(i: u32) -> f32 {
  var change: array<f32, MODELS>;
  var vote = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    change[k] = product(weight_of(k), thinned(k, i));
    vote += change[k];
  }
  let is_positive = vote >= 0.0;
  var sum = 0.0;
  var divisor = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    let agrees = change[k] != 0.0 && (change[k] > 0.0) == is_positive;
    sum += select(0.0, change[k], agrees);
    divisor += select(0.0, weight_of(k), agrees);
  }
  if (param_normalize() != 0.0 && divisor != 0.0) {
    sum = sum / divisor;
  }
  return base(i) + param_lambda() * sum;
}
