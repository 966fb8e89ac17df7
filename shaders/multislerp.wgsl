// Multi-SLERP: the base, if there is one, plus every change by its factor; directions and lengths were taken in
// float64, from the Gram matrix.
fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * delta(k, i);
  }
  return base(i) + sum;
}
