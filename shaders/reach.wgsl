// Reach: how many models changed an element by more than epsilon. Shared by ram and ramplus_tl.
fn is_active(k: u32, i: u32) -> bool {
  return abs(delta(k, i)) > param_epsilon();
}

fn reach(i: u32) -> u32 {
  var count = 0u;
  for (var k = 0u; k < MODELS; k++) {
    count += select(0u, 1u, is_active(k, i));
  }
  return count;
}

// The mean of the changes where several models changed the element; the only one times its coefficient where one did.
fn averaged(i: u32) -> f32 {
  let count = reach(i);
  var sum = 0.0;
  var own = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    let change = select(0.0, delta(k, i), is_active(k, i));
    sum += change;
    own += coefficient(k, i) * change;
  }
  return base(i) + select(sum / f32(max(count, 1u)), own, count == 1u);
}
