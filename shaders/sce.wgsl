// SCE: select the positions where the models differ most, calculate each model's share of the change there, erase what
// goes against the sign of the sum. Coefficients are the shares, which add up to one.

// Orders positions as the variance over the models does: Σ (δ_a − δ_b)² over all pairs is MODELS² times that. In this
// form nothing cancels, and where all models changed alike it is exactly zero.
fn variance(k: u32, i: u32) -> f32 {
  var sum = 0.0;
  for (var a = 0u; a < MODELS; a++) {
    let change = delta(a, i);
    for (var b = 0u; b < MODELS; b++) {
      if (b < a) {
        let difference = change - delta(b, i);
        sum += difference * difference;
      }
    }
  }
  return sum;
}

fn varied(i: u32) {
  add(0u, select(0.0, 1.0, variance(0u, i) > 0.0));
}

fn is_selected(i: u32) -> bool {
  if (param_select_topk() >= 1.0) {
    return true;
  }
  return is_top_variance(0u, variance(0u, i), i);
}

fn energy(i: u32) {
  let is_counted = is_selected(i);
  for (var k = 0u; k < MODELS; k++) {
    let change = delta(k, i);
    add(k, select(0.0, change * change, is_counted));
  }
}

fn merge(i: u32) -> f32 {
  let is_merged = param_form() == FORM_FUSEAI || is_selected(i);
  var vote = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    vote += delta(k, i);
  }
  let is_positive = vote >= 0.0;
  var sum = 0.0;
  var divisor = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    let change = delta(k, i);
    let agrees = is_merged && change != 0.0 && (change > 0.0) == is_positive;
    sum += select(0.0, coefficient(k, i) * change, agrees);
    divisor += select(0.0, coefficient(k, i), agrees);
  }
  if (param_form() == FORM_FUSEAI) {
    divisor = select(divisor, 1.0, divisor == 0.0);
  } else {
    divisor = max(divisor, 1.0e-6);
  }
  return base(i) + sum / divisor;
}
