/**
 * EventLoop: a place for other events of this thread between two long computations, such as the message that stops
 * them. Unlike a timer it is not slowed down when it is nested.
 */

/** Resolves after the events that are waiting now. */
export function eventLoop(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
