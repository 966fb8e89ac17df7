// Model stock: the base plus every change by the same factor, t / N of its tensor or row.
fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += coefficient(k, i) * delta(k, i);
  }
  return base(i) + sum;
}
