/**
 * Wasm: a WebAssembly function under construction, a module of it over one imported memory, and the function at work.
 * Not the instructions themselves (`instructions.ts`). It knows nothing of WGSL.
 */

import {
  floatBits,
  get,
  I32,
  i32,
  load,
  OPCODE,
  set,
  store,
  unsigned,
  V128,
  words,
  type Code,
  type WasmType,
} from './instructions.ts';

/** A function without results, under construction; all of its parameters are i32. */
export class FunctionBuilder {
  /** Runs once, before the body. */
  readonly #prologue: number[] = [];
  /** Runs once, after the body. */
  readonly #epilogue: number[] = [];
  #body: number[] = [];
  #depth = 0;
  readonly #params: number;
  readonly #locals: WasmType[] = [];
  readonly #free: Record<WasmType, number[]> = { [I32]: [], [V128]: [] };
  readonly #hoisted = new Map<string, number>();
  readonly #scratch = new Map<string, number>();

  /** @param params how many parameters it has. */
  constructor(params: number) {
    this.#params = params;
  }

  /** How many parameters it has: locals 0 and on. */
  get params(): number {
    return this.#params;
  }

  /** How many blocks enclose the code that is being written. */
  get depth(): number {
    return this.#depth;
  }

  /** A local variable, which may have been used before and given back. */
  local(type: WasmType = V128): number {
    const free = this.#free[type].pop();
    if (free !== undefined) return free;
    return this.#newLocal(type);
  }

  #newLocal(type: WasmType): number {
    this.#locals.push(type);
    return this.#params + this.#locals.length - 1;
  }

  /** Gives a local back. */
  release(local: number): void {
    const type = this.#locals[local - this.#params];
    if (type !== undefined) this.#free[type].push(local);
  }

  /** Writes code on where writing is. */
  emit(...parts: readonly Code[]): void {
    for (const part of parts) for (const byte of part) this.#body.push(byte);
  }

  /** What `write` emits, by itself instead of in place. `blocks` is how many blocks will be put around it. */
  capture(write: () => void, blocks = 0): Code {
    const outer = this.#body;
    const own: number[] = [];
    this.#body = own;
    this.#depth += blocks;
    try {
      write();
    } finally {
      this.#body = outer;
      this.#depth -= blocks;
    }
    return own;
  }

  /** A vector that is the same in every turn of the loop, computed once before it. */
  hoisted(key: string, code: Code): Code {
    let local = this.#hoisted.get(key);
    if (local === undefined) {
      // Never one that was given back: the body that follows may be written into another place than this.
      local = this.#newLocal(V128);
      this.#hoisted.set(key, local);
      for (const byte of [...code, ...set(local)]) this.#prologue.push(byte);
    }
    return get(local);
  }

  /** A local for use within one piece of code that no other code is put into. */
  scratch(name: string): number {
    let local = this.#scratch.get(name);
    if (local === undefined) {
      local = this.#newLocal(V128);
      this.#scratch.set(name, local);
    }
    return local;
  }

  /** A local that is kept in memory between calls. */
  accumulator(address: number): number {
    const local = this.#newLocal(V128);
    for (const byte of [...i32(0), ...load.v128(address), ...set(local)]) this.#prologue.push(byte);
    for (const byte of [...i32(0), ...get(local), ...store.v128(address)]) this.#epilogue.push(byte);
    return local;
  }

  /** Four times the same word. */
  splat(bits: number): Code {
    const word = bits >>> 0;
    const code = words(word, word, word, word);
    // All zeros and all ones are cheaper made than kept.
    return word === 0 || word === 0xffffffff ? code : this.hoisted(`word ${word}`, code);
  }

  /** Four times the same float32. */
  float(value: number): Code {
    return this.splat(floatBits(value));
  }

  /** The function's body as it stands in a module's code section. */
  encode(): number[] {
    const runs: [WasmType, number][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last?.[0] === type) last[1]++;
      else runs.push([type, 1]);
    }
    const locals = runs.flatMap(([type, count]) => [...unsigned(count), type]);
    const body = [...unsigned(runs.length), ...locals].concat(this.#prologue, this.#body, this.#epilogue, [OPCODE.end]);
    return unsigned(body.length).concat(body);
  }
}

/** A module that exports one function as `run` and imports its memory as `env.memory`. */
export function moduleOf(fn: FunctionBuilder): WebAssembly.Module {
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  const section = (id: number, content: readonly number[]) => [id, ...unsigned(content.length)].concat(content);
  const params = Array.from({ length: fn.params }, () => I32);
  const bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0].concat(
    section(1, [1, 0x60, params.length, ...params, 0]),
    section(2, [1, ...name('env'), ...name('memory'), 0x02, 0x00, 0]),
    section(3, [1, 0]),
    section(7, [1, ...name('run'), 0x00, 0]),
    section(10, [1].concat(fn.encode())),
  );
  return new WebAssembly.Module(new Uint8Array(bytes));
}

/** Bytes of a page, which memories grow by. */
export const PAGE_BYTES = 65_536;

/** The function of a module of `moduleOf` over a memory; `Run` has as many numbers as the function has parameters. */
export function functionOf<Run extends (...args: number[]) => void>(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Run {
  // What `moduleOf` exports; the engine types it as any export.
  return new WebAssembly.Instance(module, { env: { memory } }).exports.run as Run;
}
