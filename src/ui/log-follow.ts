/**
 * LogFollow: how far the chat's log is scrolled while replies come. The first column's reply leads: where the columns
 * stand one below another, the others come into sight only as far as it stays there. Pure; all in the log's own px.
 */

/** Where the newest replies stand in the log. */
export interface RepliesPlace {
  /** Top and bottom of the first reply, which is as high as its whole row. */
  readonly firstTop: number;
  readonly firstBottom: number;
  /** Where the last row ends. */
  readonly end: number;
}

/** How far down a log of this height shows the newest replies best. */
export function followedTop({ firstTop, firstBottom, end }: RepliesPlace, height: number): number {
  return Math.max(0, firstBottom - height, Math.min(end - height, firstTop));
}
