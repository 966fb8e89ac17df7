import { describe } from 'vitest';
import { describeConversation } from './test/conversation.ts';
import { placeOnGpu, testDevice } from './test/gpu-weights.ts';

describe('a chat on the GPU', async () => {
  const device = await testDevice();
  describeConversation((tensors) => placeOnGpu(device, tensors));
});
