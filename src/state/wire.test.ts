import { MessageChannel } from 'node:worker_threads';
import { type Endpoint, expose, type Remote, transferHandlers, wrap } from 'comlink';
import { afterEach, describe, expect, it } from 'vitest';
import { Fault, MismatchFault } from '../bytes/fault.ts';
import { engineOver } from './engine-client.ts';
import { engineDouble } from './engine-double.ts';
import { type EngineWire, onWire } from './engine-wire.ts';

const ports: { close(): void }[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

function across() {
  const double = engineDouble();
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  expose(onWire(double.engine), port1 as unknown as Endpoint);
  port1.start();
  return { ...double, remote: engineOver(wrap<EngineWire>(port2 as unknown as Endpoint) as Remote<EngineWire>) };
}

describe('wire', () => {
  it('carries a fault with its code and details', async () => {
    const { remote, answer } = across();
    answer('check', () => {
      throw new MismatchFault('Not siblings.', { tensors: ['a', 'b'] });
    });
    const thrown = await remote.check('').catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(Fault);
    expect(thrown).toMatchObject({ code: 'mismatch', message: 'Not siblings.', details: { tensors: ['a', 'b'] } });
  });

  it('carries a bug as a defect, without its stack', async () => {
    const { remote, answer } = across();
    answer('check', () => {
      throw new TypeError('x is not a function');
    });
    const thrown = await remote.check('').catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'defect' });
    expect(String((thrown as Error).message)).toContain('x is not a function');
  });

  it('carries a fault whose details cannot be cloned', async () => {
    const { remote, answer } = across();
    answer('check', () => {
      throw new MismatchFault('Not siblings.', { cause: () => {} });
    });
    await expect(remote.check('')).rejects.toMatchObject({ code: 'mismatch', message: 'Not siblings.', details: {} });
  });

  it('takes what a worker without this wire throws as an error with its message', () => {
    const handler = transferHandlers.get('throw');
    const sent = { isError: true, value: { message: 'out of memory', name: 'RangeError', stack: '' } };
    expect(() => handler?.deserialize(sent)).toThrow('out of memory');
  });
});
