// Karcher: the models by their factors; the mean direction was found in float64, from the Gram matrix.
fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * model(k, i);
  }
  return sum;
}
