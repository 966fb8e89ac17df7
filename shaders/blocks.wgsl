// Blocks: where a block of partial sums lies in a piece. Blocks of 4096 elements are counted from the start of the
// tensor, or of each row, never from the start of a piece: how a tensor is cut must not show in a sum.

const BLOCK_ELEMENTS = 4096u;

// The elements [x, y) of the piece that belong to a block; blocks are numbered from the one that holds element 0.
fn block_range(block: u32) -> vec2<u32> {
  let span = piece.span_elements;
  let blocks_per_span = (span + BLOCK_ELEMENTS - 1u) / BLOCK_ELEMENTS;
  let absolute = piece.span_first / BLOCK_ELEMENTS + block;
  let start = (absolute / blocks_per_span) * span;
  let column = (absolute % blocks_per_span) * BLOCK_ELEMENTS;
  let first = max(start + column, piece.span_first);
  let end = min(start + min(column + BLOCK_ELEMENTS, span), piece.span_first + piece.elements);
  return vec2<u32>(first, end) - piece.span_first;
}
