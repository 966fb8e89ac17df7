// WIDEN: the base plus every change by the score of its column, or of its token in embeddings. Of the two passes only
// one is made per tensor; what the other one would have found reads as zero.
fn gather(i: u32) {
  let origin = base(i);
  add(0u, origin * origin);
  for (var k = 0u; k < MODELS; k++) {
    let change = delta(k, i);
    add(1u + 2u * k, origin * change);
    add(2u + 2u * k, change * change);
  }
}

fn columns(i: u32) {
  gather(i);
}

fn tokens(i: u32) {
  gather(i);
}

fn merge(i: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < MODELS; k++) {
    sum += (found_columns(k, i) + found_tokens(k, i)) * delta(k, i);
  }
  return base(i) + sum;
}
