/**
 * Template: a model's chat template, which turns a conversation into the text that the model was trained on (the
 * rendering is @huggingface/jinja's). A model without one is continued instead of chatted with; see `chat.ts`.
 */

import { Environment, Interpreter, Template as JinjaTemplate } from '@huggingface/jinja';
import { MalformedFault, sentenceOf } from '../bytes/fault.ts';
import type { SideFiles } from '../formats/checkpoint.ts';
import { isRecord, parseSideFile } from './side-file.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** The tokens that a template may write: `namedTokens` by the keys of tokenizer_config.json, such as `pad_token`. */
export type TemplateTokens = Pick<Tokenizer, 'bosToken' | 'eosToken'> & Partial<Pick<Tokenizer, 'namedTokens'>>;

/** A chat template. */
export class ChatTemplate {
  #parsed: JinjaTemplate['parsed'] | null = null;
  /** Where it stands; null for one that was given with a request. */
  readonly file: string | null;
  readonly text: string;

  private constructor(file: string | null, text: string) {
    this.file = file;
    this.text = text;
  }

  /**
   * Reads chat_template.jinja or, where it is not there, `chat_template` of tokenizer_config.json or of
   * chat_template.json: a text, or a list of named ones of which `default` (else the first) is taken. Whether it
   * parses shows when it renders: a model whose template is broken can still continue a text, or take another one.
   * @returns null where the model has none.
   * @throws MalformedFault where the file that would hold it is not JSON.
   */
  static read(sideFiles: SideFiles): ChatTemplate | null {
    const [file, text] = findTemplate(sideFiles);
    return text === null ? null : new ChatTemplate(file, text);
  }

  /**
   * Parses a template.
   * @param file where it stands, for what is said about it; null for one that was given with a request.
   * @throws MalformedFault where it does not parse.
   */
  static parse(text: string, file: string | null): ChatTemplate {
    const template = new ChatTemplate(file, text);
    template.#program();
    return template;
  }

  #program(): JinjaTemplate['parsed'] {
    try {
      this.#parsed ??= new JinjaTemplate(this.text).parsed;
      return this.#parsed;
    } catch (cause) {
      throw new MalformedFault(`${named(this.file)} does not parse: ${sentenceOf(cause)}`, { file: this.file });
    }
  }

  /**
   * The conversation as text, ended by what opens the assistant's turn.
   * @throws MalformedFault where it does not parse, would run for ever, or (with its own words) where it refuses the
   *   conversation, as many do when roles do not alternate or a system prompt is not foreseen.
   */
  render(messages: readonly ChatMessage[], tokenizer: TemplateTokens): string {
    try {
      return this.#write(messages, tokenizer);
    } catch (thrown) {
      const [first, ...others] = messages;
      if (first?.role !== 'system' || !this.#takes(others, tokenizer)) throw thrown;
      throw new MalformedFault(
        `${sentenceOf(thrown)} Without the system prompt it would take it; remove the system prompt.`,
        {
          file: this.file,
        },
      );
    }
  }

  #takes(messages: readonly ChatMessage[], tokenizer: TemplateTokens): boolean {
    try {
      this.#write(messages, tokenizer);
      return true;
    } catch {
      return false;
    }
  }

  #write(messages: readonly ChatMessage[], tokenizer: TemplateTokens): string {
    let text: unknown;
    const program = this.#program();
    try {
      const names = new Environment();
      const values: Readonly<Record<string, unknown>> = {
        ...GLOBALS,
        ...tokenizer.namedTokens,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: true,
        // transformers says so too where nothing is given; whether to think is left to the template's own default.
        tools: null,
        documents: null,
        bos_token: tokenizer.bosToken ?? '',
        eos_token: tokenizer.eosToken ?? '',
      };
      for (const [name, value] of Object.entries(values)) names.set(name, value);
      text = new BoundedInterpreter(names).run(program).value;
    } catch (cause) {
      throw new MalformedFault(`${named(this.file)} refuses this conversation: ${sentenceOf(cause)}`, {
        file: this.file,
      });
    }
    if (typeof text !== 'string') {
      throw new MalformedFault(`${named(this.file)} gives no text; mend it.`, { file: this.file });
    }
    return text;
  }
}

/** Files are hostile: the page's worker would never answer again while a template's loops run on. */
class BoundedInterpreter extends Interpreter {
  /** The expressions over whose values loops run. */
  readonly #loopedOver = new Set<unknown>();
  #steps = 0;

  override evaluate(...given: Parameters<Interpreter['evaluate']>): ReturnType<Interpreter['evaluate']> {
    const [statement, names] = given;
    const strip = statement && this.#strip(statement, names);
    if (strip) return strip;
    const iterable: unknown = statement && 'iterable' in statement ? statement.iterable : null;
    if (isRecord(iterable)) this.#loopedOver.add(iterable['lhs'] ?? iterable).add(iterable);
    const value = super.evaluate(...given);
    // Each turn of a loop counts, also where its body is empty.
    const turns = this.#loopedOver.has(statement) && Array.isArray(value.value) ? value.value.length : 0;
    this.#steps += 1 + turns;
    if (this.#steps > MAX_STEPS) throw new Error('it takes more steps than any conversation needs.');
    return value;
  }

  /** `text.strip(characters)` and its relatives, whose characters the library passes over; null for anything else. */
  #strip(statement: Statement, names: Environment): Value | null {
    if (!isMember(statement)) return null;
    const way = STRIPS.get(statement.property.value);
    if (way === undefined) return null;
    const object = this.evaluate(statement.object, names);
    const text: unknown = object.value;
    if (object.type !== 'StringValue' || typeof text !== 'string') return null;
    const strip = (characters: unknown) => stripped(text, typeof characters === 'string' ? characters : null, way);
    return new Environment().set('strip', strip);
  }
}

type Value = ReturnType<Interpreter['evaluate']>;
type Statement = NonNullable<Parameters<Interpreter['evaluate']>[0]>;

/** A member by name, as the parser gives it. */
type Member = Statement & { readonly object: Statement; readonly property: { readonly value: string } };

function isMember(statement: Statement): statement is Member {
  if (statement.type !== 'MemberExpression' || !('property' in statement) || !('object' in statement)) return false;
  const { property } = statement;
  return isRecord(property) && typeof property['value'] === 'string';
}

/** Which ends a method of Python's strings strips. */
const STRIPS: ReadonlyMap<string, { readonly start: boolean; readonly end: boolean }> = new Map([
  ['strip', { start: true, end: true }],
  ['lstrip', { start: true, end: false }],
  ['rstrip', { start: false, end: true }],
]);

/** Without the characters (null: blank space) at its ends. */
function stripped(text: string, characters: string | null, way: { readonly start: boolean; readonly end: boolean }) {
  const isStripped = (character: string | undefined) =>
    character !== undefined && (characters === null ? character.trim() === '' : characters.includes(character));
  const points = [...text];
  let [start, end] = [0, points.length];
  while (way.start && start < end && isStripped(points[start])) start++;
  while (way.end && end > start && isStripped(points[end - 1])) end--;
  return points.slice(start, end).join('');
}

/** Expressions evaluated and turns of loops for one prompt; the longest known templates take some dozens a message. */
const MAX_STEPS = 500_000;

/** What a template may use beside the conversation: as in transformers, and the library's own but for the date. */
const GLOBALS: Readonly<Record<string, unknown>> = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
  raise_exception: (message: unknown) => {
    throw new Error(String(message));
  },
  range: (first: number, end?: number, step = 1) => {
    const [start, stop] = end === undefined ? [0, first] : [first, end];
    const length = Math.max(0, Math.ceil((stop - start) / step));
    if (step === 0 || length > MAX_RANGE) throw new Error(`range(${start}, ${stop}, ${step}) is not for a template`);
    return Array.from({ length }, (_, index) => start + index * step);
  },
  strftime_now: (format: string) => strftime(new Date(), format),
};

/** Files are hostile: no template needs a longer list. */
const MAX_RANGE = 100_000;

function named(file: string | null): string {
  return file === null ? 'The chat template' : `The chat template in ${file}`;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** Python's strftime as templates use it; in English wherever the page is read, because models were trained so. */
export function strftime(date: Date, format: string): string {
  const two = (number: number) => String(number).padStart(2, '0');
  const [month, day] = [MONTHS[date.getMonth()] ?? '', DAYS[date.getDay()] ?? ''];
  const hour = date.getHours();
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    B: month,
    b: month.slice(0, 3),
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2),
    A: day,
    a: day.slice(0, 3),
    H: two(hour),
    I: two(hour % 12 || 12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: hour < 12 ? 'AM' : 'PM',
    '%': '%',
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (whole, plain: string, code: string) => {
    const part = parts[code];
    return part === undefined ? whole : plain === '-' ? part.replace(/^[0 ]+(?=\d)/, '') : part;
  });
}

/** The name of the file that holds the template, and its text; null where there is none. */
function findTemplate(sideFiles: SideFiles): readonly [file: string, text: string | null] {
  const jinja = sideFiles.get('chat_template.jinja');
  if (jinja !== undefined) return ['chat_template.jinja', jinja];
  const found = ['tokenizer_config.json', 'chat_template.json']
    .map((file) => [file, pickNamed(parseSideFile(sideFiles, file)?.['chat_template'])] as const)
    .find(([, text]) => text !== null);
  return found ?? ['', null];
}

function pickNamed(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const named = value.filter(isRecord);
  const chosen = named.find((entry) => entry['name'] === 'default') ?? named[0];
  return typeof chosen?.['template'] === 'string' ? chosen['template'] : null;
}
