import { Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { CHAT_TEMPLATES } from './chat-templates.ts';

const MESSAGES = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello' },
  { role: 'user', content: 'Bye' },
];

function rendered(name: string, messages = MESSAGES): string {
  const template = new Template(CHAT_TEMPLATES.get(name) ?? '');
  return template.render({ messages, bos_token: '<s>', eos_token: '</s>', add_generation_prompt: true });
}

describe('named chat templates', () => {
  it('say what the formats’ makers publish', () => {
    expect(rendered('chatml')).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(rendered('mistral')).toBe('<s>[INST] Be brief.\n\nHi [/INST] Hello</s>[INST] Bye [/INST]');
    expect(rendered('llama3', MESSAGES.slice(1, 2))).toBe(
      '<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    );
    expect(rendered('exaone', MESSAGES.slice(1, 2))).toBe('[|system|][|endofturn|]\n[|user|]Hi\n[|assistant|]');
    expect(rendered('alpaca')).toContain('### Instruction:\nBye\n\n### Response:\n');
  });
});
