/**
 * Chat templates: the named templates that a recipe may ask for, as Jinja text. Written here from the formats that the
 * models' makers publish; a model's own template is better wherever there is one.
 */

const ALPACA = `{%- set system = 'Below is an instruction that describes a task. Write a response that appropriately completes the request.' -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content'] | trim -%}
{%- set messages = messages[1:] -%}
{%- endif -%}
{{- bos_token if bos_token is defined and bos_token else '' -}}
{{- system + '\\n\\n' -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- '### Instruction:\\n' + (message['content'] | trim) + '\\n\\n' -}}
{%- elif message['role'] == 'assistant' -%}
{{- '### Response:\\n' + (message['content'] | trim) + (eos_token if eos_token is defined and eos_token else '') + '\\n\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '### Response:\\n' -}}
{%- endif -%}
`;

const CHATML = `{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
`;

const EXAONE = `{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '[|system|][|endofturn|]\\n' -}}
{%- endif -%}
{{- '[|' + message['role'] + '|]' + message['content'] -}}
{{- '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '[|assistant|]' -}}
{%- endif -%}
`;

const LLAMA3 = `{{- bos_token if bos_token is defined and bos_token else '<|begin_of_text|>' -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + (message['content'] | trim) + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}
`;

const MISTRAL = `{%- set system = '' -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system = (messages[0]['content'] | trim) + '\\n\\n' -%}
{%- set messages = messages[1:] -%}
{%- endif -%}
{{- bos_token if bos_token is defined and bos_token else '' -}}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{- '[INST] ' + (system if loop.first else '') + (message['content'] | trim) + ' [/INST]' -}}
{%- elif message['role'] == 'assistant' -%}
{{- ' ' + (message['content'] | trim) + (eos_token if eos_token is defined and eos_token else '') -}}
{%- endif -%}
{%- endfor -%}
`;

/** The named templates by name. */
export const CHAT_TEMPLATES: ReadonlyMap<string, string> = new Map([
  ['alpaca', ALPACA],
  ['chatml', CHATML],
  ['exaone', EXAONE],
  ['llama3', LLAMA3],
  ['mistral', MISTRAL],
]);
