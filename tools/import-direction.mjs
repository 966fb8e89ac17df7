/**
 * Import direction: the lint rule that keeps the house's one-way street,
 * `ui -> state -> (chat, merge) -> (recipe, methods, formats, gpu, cpu) -> bytes`, with cli beside ui. An oxlint plugin with
 * one rule, `fusewright/import-direction`, so that editors show it too. It judges where an import points and nothing
 * else; what the imported thing is used for is review.
 */

import { isBuiltin } from 'node:module';
import { posix } from 'node:path';

/**
 * For each folder of `src/`, the folders that it may import. Files directly in `src/` are the page's entry and count
 * as ui.
 * @type {Record<string, readonly string[]>}
 */
const MAY_IMPORT = {
  bytes: [],
  formats: ['bytes'],
  methods: ['bytes', 'formats'],
  gpu: ['bytes', 'formats', 'methods'],
  cpu: ['bytes', 'formats', 'methods'],
  recipe: ['bytes', 'formats', 'methods'],
  merge: ['bytes', 'formats', 'methods', 'gpu', 'cpu', 'recipe'],
  chat: ['bytes', 'formats', 'methods', 'gpu', 'cpu', 'recipe'],
  state: ['bytes', 'formats', 'methods', 'gpu', 'cpu', 'recipe', 'merge', 'chat'],
  cli: ['bytes', 'formats', 'methods', 'gpu', 'cpu', 'recipe', 'merge', 'chat', 'state'],
  ui: ['bytes', 'formats', 'methods', 'gpu', 'cpu', 'recipe', 'merge', 'chat', 'state'],
};

/**
 * Packages that belong to some folders only.
 * @type {readonly { readonly name: RegExp, readonly folders: readonly string[] }[]}
 */
const PACKAGES = [
  { name: /^(react|react-dom|@mantine\/[^/]+|@tabler\/icons-react)(\/|$)/, folders: ['ui'] },
  { name: /^(zustand|zundo)(\/|$)/, folders: ['ui', 'state'] },
];

/**
 * The folder of `src/` that a path lies in, `ui` for files directly in `src/`, undefined outside `src/`.
 * @param {string} path an absolute or root-relative path with forward slashes
 */
function folderOf(path) {
  const parts = path.split('/');
  const at = parts.lastIndexOf('src');
  if (at < 0 || at === parts.length - 1) return undefined;
  return at === parts.length - 2 ? 'ui' : parts[at + 1];
}

/** @param {string} path */
const isTest = (path) => /\.test\.tsx?$/.test(path);

/** Files that only Node can run: named `node-*`, and imported by the command line, tests and each other. */
const isNodeOnly = (/** @type {string} */ path) => /(^|\/)node-[^/]*$/.test(path);

/**
 * Judges one import.
 * @param {string} filename the importing file, absolute, forward slashes
 * @param {string} specifier what it imports, as written
 * @returns {string | undefined} the reason against it, or undefined
 */
export function judgeImport(filename, specifier) {
  const from = folderOf(filename);
  if (from === undefined) return undefined;
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined) {
    return `src/${from}/ is not a folder of the house: name it in tools/import-direction.mjs or move the file.`;
  }

  const written = specifier.replace(/[?#].*$/, '');
  const local = written.startsWith('.') || written.startsWith('/');
  if (!local) {
    if (isBuiltin(written)) {
      if (from === 'cli' || isNodeOnly(filename) || isTest(filename)) return undefined;
      return `"${specifier}" exists only in Node, and src/${from}/ must run in a browser too: move it to a node-*.ts file.`;
    }
    const owned = PACKAGES.find((entry) => entry.name.test(written));
    if (owned === undefined || owned.folders.includes(from)) return undefined;
    return `"${specifier}" may be imported in ${owned.folders.map((f) => `src/${f}/`).join(' and ')} only, not in src/${from}/.`;
  }

  const target = written.startsWith('/') ? written : posix.join(posix.dirname(filename), written);
  const to = folderOf(target);
  if (isNodeOnly(target) && from !== 'cli' && !isNodeOnly(filename) && !isTest(filename)) {
    return `"${specifier}" runs in Node only; src/${from}/ runs in the browser too. Only src/cli/ and tests may import it.`;
  }
  if (to === undefined || to === from || allowed.includes(to)) return undefined;
  return `src/${from}/ may not import from src/${to}/: imports point ui -> state -> (chat, merge) -> (recipe, methods, formats, gpu, cpu) -> bytes.`;
}

/**
 * The parts of an ESTree node that the rule looks at.
 * @typedef {object} Node
 * @property {string} type
 * @property {unknown} [value]
 * @property {string} [name]
 * @property {Node | null} [source]
 * @property {Node} [callee]
 * @property {Node} [object]
 * @property {Node} [property]
 * @property {readonly Node[]} [arguments]
 * @property {readonly Node[]} [elements]
 */

/** The rule: every form in which a module names another one. */
const importDirection = {
  meta: { type: 'problem', schema: [] },
  /** @param {{ filename: string, report: (problem: { node: Node, message: string }) => void }} context */
  create(context) {
    const filename = context.filename.replaceAll('\\', '/');
    /** @param {Node | null | undefined} node the string literal that names the other module */
    const judge = (node) => {
      if (node?.type !== 'Literal' || typeof node.value !== 'string') return;
      const message = judgeImport(filename, node.value);
      if (message !== undefined) context.report({ node, message });
    };
    /** @param {Node} node */
    const judgeSource = (node) => judge(node.source);
    return {
      ImportDeclaration: judgeSource,
      ExportNamedDeclaration: judgeSource,
      ExportAllDeclaration: judgeSource,
      ImportExpression: judgeSource,
      TSImportType: judgeSource,
      /** `new URL('./engine.ts', import.meta.url)`: how a worker is named. @param {Node} node */
      NewExpression(node) {
        const [first, second] = node.arguments ?? [];
        if (node.callee?.name !== 'URL' || second === undefined) return;
        if (typeof first?.value === 'string' && /^\.{0,2}\//.test(first.value)) judge(first);
      },
      /** `import.meta.glob('../x/*.ts')`, with one pattern or a list. @param {Node} node */
      CallExpression(node) {
        const callee = node.callee;
        if (callee?.object?.type !== 'MetaProperty' || callee.property?.name !== 'glob') return;
        const [first] = node.arguments ?? [];
        for (const pattern of first?.elements ?? [first]) judge(pattern);
      },
    };
  },
};

export default { meta: { name: 'fusewright' }, rules: { 'import-direction': importDirection } };
