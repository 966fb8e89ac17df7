import { MessageChannel } from 'node:worker_threads';
import { type Endpoint, expose, proxy, wrap } from 'comlink';
import { describe, expect, it } from 'vitest';
import { lateEndpoint, type StartedEndpoint } from './late-endpoint.ts';

interface Adder {
  add(a: number, b: number): number;
  tell(heard: (what: string) => void): void;
}

describe('an endpoint that starts late', () => {
  it('answers what was asked before it started, and after, callbacks included', async () => {
    let start: (endpoint: StartedEndpoint) => void = () => undefined;
    const starting = new Promise<StartedEndpoint>((resolve) => {
      start = resolve;
    });
    const remote = wrap<Adder>(lateEndpoint(starting));
    const early = remote.add(1, 2);
    const heard: string[] = [];
    const told = remote.tell(proxy((what) => heard.push(what)));

    const { port1, port2 } = new MessageChannel();
    try {
      expose({ add: (a, b) => a + b, tell: (own) => own('hello') } satisfies Adder, port1 as unknown as Endpoint);
      port1.start();
      port2.start();
      start(port2 as unknown as Endpoint);
      expect(await early).toBe(3);
      expect(await remote.add(3, 4)).toBe(7);
      await told;
    } finally {
      port1.close();
      port2.close();
    }
  });
});
