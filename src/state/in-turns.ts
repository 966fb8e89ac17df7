/** In turns: long work of the page's own thread in steps, between which the page draws and others have their turn. */

/** Resolves when others have had their turn. */
export function anotherTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Takes the steps, with a turn for others between them. */
export async function inTurns<T>(steps: Generator<undefined, T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await anotherTurn();
  }
}
