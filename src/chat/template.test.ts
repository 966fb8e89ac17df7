import { describe, expect, it } from 'vitest';
import { MalformedFault } from '../bytes/fault.ts';
import { ChatTemplate, strftime } from './template.ts';

const TOKENS = { bosToken: '<s>', eosToken: '</s>' };
const CHATML =
  "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const MESSAGES = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: ' Hi {{ there }} ' },
];
const RENDERED =
  '<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi {{ there }}<|im_end|>\n<|im_start|>assistant\n';

const read = (files: Record<string, string>) => ChatTemplate.read(new Map(Object.entries(files)));
const config = (template: unknown) => JSON.stringify({ chat_template: template });

describe('ChatTemplate', () => {
  it.each([
    ['tokenizer_config.json', { 'tokenizer_config.json': config(CHATML) }],
    [
      'a file of its own, which comes first',
      { 'chat_template.jinja': CHATML, 'tokenizer_config.json': config('other') },
    ],
    ['chat_template.json', { 'chat_template.json': config(CHATML), 'tokenizer_config.json': '{}' }],
    [
      'the default of several',
      {
        'tokenizer_config.json': config([
          { name: 'tool_use', template: 'x' },
          { name: 'default', template: CHATML },
        ]),
      },
    ],
    ['the only one of a list', { 'tokenizer_config.json': config([{ name: 'rag', template: CHATML }]) }],
  ])('renders the template of %s', (_, files) => {
    expect(read(files)?.render(MESSAGES, TOKENS)).toBe(RENDERED);
  });

  it.each([
    ['no file', {}],
    ['no template', { 'tokenizer_config.json': '{}' }],
    ['null', { 'tokenizer_config.json': config(null) }],
    ['an empty list', { 'tokenizer_config.json': config([]) }],
    ['a list of nonsense', { 'tokenizer_config.json': config([null, 3, { name: 'default' }]) }],
  ])('is absent where there is %s', (_, files) => {
    expect(read(files)).toBeNull();
  });

  it('names the file where a template does not parse or refuses', () => {
    const broken = read({ 'chat_template.jinja': '{% for %}' });
    expect(broken).toMatchObject({ file: 'chat_template.jinja', text: '{% for %}' });
    expect(() => broken?.render(MESSAGES, TOKENS)).toThrow(MalformedFault);
    expect(() => broken?.render(MESSAGES, TOKENS)).toThrow(/chat_template\.jinja does not parse/);
    const strict = read({ 'tokenizer_config.json': config("{{ raise_exception('Roles must alternate') }}") });
    expect(() => strict?.render(MESSAGES, TOKENS)).toThrow(MalformedFault);
    expect(() => strict?.render(MESSAGES, TOKENS)).toThrow(/refuses this conversation: .*Roles must alternate\./);
    expect(() => read({ 'tokenizer_config.json': '[1' })).toThrow(/tokenizer_config\.json is not valid JSON/);
  });

  it('says so where it is the system prompt that a template does not take', () => {
    // As Gemma's first template.
    const text = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}x";
    expect(() => ChatTemplate.parse(text, 'chat_template.jinja').render(MESSAGES, TOKENS)).toThrow(
      'The chat template in chat_template.jinja refuses this conversation: System role not supported. Without the system prompt it would take it; remove the system prompt.',
    );
    expect(ChatTemplate.parse(text, null).render(MESSAGES.slice(1), TOKENS)).toBe('x');
  });

  it('gives an empty text for a token that the model has not', () => {
    const template = read({ 'chat_template.jinja': '[{{ bos_token }}|{{ eos_token }}]' });
    expect(template?.render([], { bosToken: null, eosToken: null })).toBe('[|]');
  });

  it('gives every token that the model has by its name', () => {
    const template = ChatTemplate.parse('{{ unk_token }}|{{ pad_token }}|{{ bos_token }}', null);
    expect(template.render([], { ...TOKENS, namedTokens: { unk_token: '<unk>', bos_token: 'x' } })).toBe('<unk>||<s>');
  });

  it('strips the characters that it is told to, as Python does', () => {
    const render = (text: string, content: string) =>
      ChatTemplate.parse(text, null).render([{ role: 'user', content }], TOKENS);
    // As Qwen3's template parts thinking from an answer.
    const parted = "{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }}|";
    expect(render(parted, '<think>\nhm\n</think>\n\n  code')).toBe('  code|');
    expect(render("{{ messages[0].content.rstrip('\\n') }}|", 'a \n\n')).toBe('a |');
    expect(render("{{ messages[0]['content'].strip('ab') }}|", 'abxba b')).toBe('xba |');
    expect(render('{{ messages[0].content.strip() }}|{{ messages[0].content.lstrip() }}|', ' \nx ')).toBe('x|x |');
    expect(render('{{ messages[0].strip is defined }}{{ messages[0].content | trim }}|', ' y ')).toBe('falsey|');
  });

  it('gives a template that asks for tools, thinking and the date what it needs', () => {
    const text =
      "{%- if tools is not none and tools %}TOOLS{% endif -%}{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{% endif %}{% endif -%}{%- if enable_thinking is defined and enable_thinking is false %}NO{% endif -%}{%- if documents %}D{% endif -%}{{ date_string }}|{{ messages[0].content }}{%- if builtin_tools is defined %}B{% endif %}";
    const template = ChatTemplate.parse(text, null);
    expect(template.render(MESSAGES, TOKENS)).toMatch(/^\d\d [A-Z][a-z][a-z] \d{4}\|Be brief\.$/);
  });

  it('speaks plainly of a template that came with a request', () => {
    expect(() => ChatTemplate.parse('{% if %}', null)).toThrow(/^The chat template does not parse: /);
    expect(() => ChatTemplate.parse('{{ messages[0].content.nothing() }}', null).render(MESSAGES, TOKENS)).toThrow(
      MalformedFault,
    );
    expect(() => ChatTemplate.parse('{{ raise_exception("No") }}', null).render(MESSAGES, TOKENS)).toThrow(
      /^The chat template refuses this conversation: No\.$/,
    );
    expect(ChatTemplate.parse('', null).render(MESSAGES, TOKENS)).toBe('');
  });

  it('has the globals of transformers', () => {
    const text =
      '{{ range(3)|join }}{{ range(5, 1, -2)|join }}{{ True and not False }}{{ None is none }}{% set n = namespace(x=1) %}{% set n.x = 2 %}{{ n.x }}';
    expect(ChatTemplate.parse(text, null).render(MESSAGES, TOKENS)).toBe('01253truetrue2');
    expect(() => ChatTemplate.parse('{{ range(1000000000) }}', null).render(MESSAGES, TOKENS)).toThrow(MalformedFault);
  });

  it('ends a template whose loops would go on', () => {
    const endless = '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}';
    expect(() => ChatTemplate.parse(endless, null).render(MESSAGES, TOKENS)).toThrow(/more steps/);
    const many = Array.from({ length: 1000 }, () => ({ role: 'user', content: 'Hello' }));
    expect(ChatTemplate.parse(CHATML, null).render(many, TOKENS)).toContain('Hello');
  });

  it('writes dates in English', () => {
    const date = new Date(2026, 2, 5, 15, 4, 9);
    expect(strftime(date, '%d %b %Y')).toBe('05 Mar 2026');
    expect(strftime(date, '%A, %B %-d, %Y; %I:%M:%S %p %y-%m %H %e %a %% %Q')).toBe(
      'Thursday, March 5, 2026; 03:04:09 PM 26-03 15  5 Thu % %Q',
    );
  });
});
