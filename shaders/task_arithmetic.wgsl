// Task arithmetic: the base plus the weighted sum of the task vectors. Coefficients carry lambda and normalisation.
fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * delta(k, i);
  }
  return base(i) + sum;
}
