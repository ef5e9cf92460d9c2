// vscode.mjs VSCODE FOLDER STATE LINE [SHOTS] - a session with gospect dap in VS Code, by its own keys, read off its page.
//
// VSCODE is where tools/vscode has put the server of VS Code, FOLDER a workspace with main.go and .vscode/launch.json, STATE an empty directory for the editor, whose
// extensions/ has editors/vscode; LINE gets a breakpoint.  Prints as JSON what is on the page at each stop;
// test_dap_editors.py says what that should be.  SHOTS: a directory for pictures.
import {createRequire} from "node:module";
import {spawn} from "node:child_process";
import path from "node:path";

const require = createRequire(process.env.GOSPECT_NODE_MODULES + "/");
const {chromium} = require("playwright-core");
const [vscode, folder, state, line, shots] = process.argv.slice(2);
const seen = {stops: [], output: "", problems: []};

// The server says on its standard output at which port it listens.
function serve() {
  const child = spawn(path.join(vscode, "node"), [path.join(vscode, "vscode/out/server-main.js"), "--host", "127.0.0.1", "--port", "0",
    "--without-connection-token", "--accept-server-license-terms", "--telemetry-level", "off",
    "--user-data-dir", path.join(state, "data"), "--extensions-dir", path.join(state, "extensions")],
  {stdio: ["ignore", "pipe", "inherit"]});
  const port = new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", piece => {
      text += piece;
      const found = text.match(/agent listening on (\d+)/);
      if (found) resolve(Number(found[1]));
    });
    child.on("exit", () => reject(new Error("no server: " + text)));
  });
  return {child, port};
}

const texts = (page, selector) => page.locator(selector).allInnerTexts();
const plain = text => text.replace(/\s+/g, " ").trim();

// What the page shows of where the program stands.
async function stopped(page, [name, value]) {
  await page.locator(".debug-call-stack .monaco-list-row", {hasText: "main.look"}).first().waitFor();
  await page.locator(".debug-variables .monaco-list-row", {hasText: new RegExp(`^${name}\\s*=\\s*${value}$`)}).first().waitFor();
  await page.locator(".debug-top-stack-frame-line").first().waitFor({state: "attached"});
  return {
    call_stack: (await texts(page, ".debug-call-stack .monaco-list-row")).map(plain),
    variables: (await texts(page, ".debug-variables .monaco-list-row")).map(plain),
    status: plain((await texts(page, "#status\\.editor\\.selection")).join("")),
  };
}

async function picture(page, name) {
  if (shots) await page.screenshot({path: path.join(shots, name + ".png")});
}

// The quick input: `>` a command, `:` a line; row is what it then offers.
async function quick(page, text, row) {
  await page.keyboard.press("F1");
  const box = page.locator(".quick-input-widget input.input");
  await box.waitFor();
  await box.fill(text);
  await page.locator(".quick-input-list .monaco-list-row", {hasText: row}).first().click();
  await box.waitFor({state: "hidden"});
}

async function evaluate(page, expression) {
  await quick(page, ">Focus on Debug Console View", "Focus on Debug Console View");
  const input = page.locator(".repl-input-wrapper .monaco-editor");
  await input.waitFor();
  await input.click();
  await page.keyboard.insertText(expression);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  const answer = page.locator(".repl .monaco-list-row .evaluation-result");
  await answer.last().waitFor();
  return plain(await answer.last().innerText());
}

async function session(page) {
  await page.locator(".monaco-workbench").waitFor();
  const trust = page.getByRole("button", {name: /Yes, I trust/});
  await Promise.race([trust.waitFor(), page.waitForTimeout(8000)]).catch(() => {});
  if (await trust.isVisible()) await trust.click();
  await picture(page, "0-open");
  await page.locator(".explorer-folders-view .monaco-list-row", {hasText: "main.go"}).dblclick();
  await page.locator(".tab.active", {hasText: "main.go"}).waitFor();
  await quick(page, ":" + line, "line " + line);
  await page.locator(".monaco-editor .view-line", {hasText: "look: call"}).waitFor();
  await page.locator(".monaco-editor .view-line", {hasText: "look: call"}).click();
  await page.keyboard.press("F9");
  await page.locator(".codicon-debug-breakpoint, .codicon-debug-breakpoint-unverified").first().waitFor();
  await page.keyboard.press("F5");
  seen.stops.push(await stopped(page, ["n", "3"]));
  await picture(page, "1-breakpoint");
  seen.sum = await evaluate(page, "n + p.Y");
  await picture(page, "2-console");
  await page.keyboard.press("F10");
  seen.stops.push(await stopped(page, ["result", "5"]));
  await page.keyboard.press("F5");
  seen.stops.push(await stopped(page, ["n", "4"]));
  await page.keyboard.press("Shift+F11");
  await page.locator(".debug-call-stack .monaco-list-row.selected", {hasText: "main.main"}).first().waitFor();
  await picture(page, "3-out");
  await quick(page, ">gospect: All goroutines", "All goroutines of this session");
  await page.locator(".monaco-editor .view-line", {hasText: "the program stood still for"}).waitFor();
  seen.goroutines = (await texts(page, ".editor-instance .view-line")).map(plain);
  await picture(page, "4-goroutines");
  await page.keyboard.press("Shift+F5");
  await page.locator(".debug-toolbar").waitFor({state: "hidden"});
  await quick(page, ">Focus on Debug Console View", "Focus on Debug Console View");
  seen.output = (await texts(page, ".repl .monaco-list-row")).map(plain).join("\n");
  await picture(page, "5-end");
}

const {child, port} = serve();
let browser;
let page;
try {
  browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});
  page = await browser.newPage({viewport: {width: 1400, height: 900}});
  page.setDefaultTimeout(60000);
  await page.goto(`http://127.0.0.1:${await port}/?folder=${encodeURIComponent(folder)}`);
  await session(page);
} catch (error) {
  seen.problems.push(String(error));
  if (page) await picture(page, "problem");
} finally {
  await browser?.close();
  child.kill();
}
console.log(JSON.stringify(seen));
process.exit(seen.problems.length ? 1 : 0);
