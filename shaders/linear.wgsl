// Linear: the weighted sum of the models. Coefficients arrive normalised.
fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * model(k, i);
  }
  return sum;
}
