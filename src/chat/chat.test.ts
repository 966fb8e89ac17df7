import { describe } from 'vitest';
import { describeConversation } from './test/conversation.ts';

describe('a chat on the CPU', () => {
  describeConversation((tensors) => {
    const own = new Map([...tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]));
    return {
      weights: { kind: 'cpu', tensors: own },
      edit: (name, data) => own.get(name)?.data.set(data),
      free: () => {},
    };
  });
});
