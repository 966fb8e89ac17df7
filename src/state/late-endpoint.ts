/**
 * LateEndpoint: a worker that is started later than it is talked to: what is said to it before waits, in order. So the
 * page is drawn before the engine's script is fetched. Not the engine's contract (`engine-api.ts`).
 */

import type { Endpoint } from 'comlink';

/** What of a worker is used; a `Worker` has it, and so has a `MessagePort`. */
export type StartedEndpoint = Pick<Endpoint, 'postMessage' | 'addEventListener' | 'removeEventListener'>;

/** An endpoint over what `starting` resolves with. Where that rejects, nothing answers: whoever starts it says so. */
export function lateEndpoint(starting: Promise<StartedEndpoint>): Endpoint {
  let started: StartedEndpoint | null = null;
  const waiting: ((to: StartedEndpoint) => void)[] = [];
  const now = (act: (to: StartedEndpoint) => void) => {
    if (started) act(started);
    else waiting.push(act);
  };
  starting.then(
    (endpoint) => {
      started = endpoint;
      for (const act of waiting.splice(0)) act(endpoint);
    },
    () => waiting.splice(0),
  );
  return {
    postMessage: (message: unknown, transfer?: Transferable[]) => now((to) => to.postMessage(message, transfer ?? [])),
    addEventListener: (type, listener, options) => now((to) => to.addEventListener(type, listener, options)),
    removeEventListener: (type, listener, options) => now((to) => to.removeEventListener(type, listener, options)),
  };
}
