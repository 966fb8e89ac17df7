import { Engine } from './engine.ts';
import { describeSpeaking } from './test/speaking.ts';

describeSpeaking('an engine without WebGPU', async () => {
  const engine = new Engine({ gpu: null, startKernelWorkers: () => [] });
  await engine.start();
  return engine;
});
