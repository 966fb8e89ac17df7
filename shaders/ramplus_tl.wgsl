// RAM+, tensor by tensor: coefficients are what changes that one model alone made are multiplied by. reach.wgsl holds
// the rest.

// Of each model how many changes it shares, then how many it alone has.
fn overlap(i: u32) {
  let count = reach(i);
  for (var k = 0u; k < MODELS; k++) {
    let is_own = is_active(k, i);
    add(k, select(0.0, 1.0, is_own && count > 1u));
    add(MODELS + k, select(0.0, 1.0, is_own && count == 1u));
  }
}

fn merge(i: u32) -> f32 {
  return averaged(i);
}
