// walk.mjs PAGE [SHOTS] - opens a page of --history in Debian's chromium, walks through it with keyboard and
// mouse, and prints as JSON what is on it at each step.  What that should be is for test_history_page.py to say.
//
// playwright-core lies in $GOSPECT_NODE_MODULES (tools/node-modules); SHOTS: a directory for pictures.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const require = createRequire(process.env.GOSPECT_NODE_MODULES + "/");
const {chromium} = require("playwright-core");
const [page_path, shots] = process.argv.slice(2);
const url = pathToFileURL(page_path).href;
const seen = {problems: [], requests: [], keyboard: [], mouse: {}, schemes: {}, narrow: {}};

// What a reader sees, and what a screen reader is told.
const read = () => {
  const all = (selector, f) => [...document.querySelectorAll(selector)].map(f);
  const text = e => e.textContent;
  return {
    when: document.getElementById("when").textContent,
    slider: [document.getElementById("at").value, document.getElementById("at").getAttribute("aria-valuetext")],
    found: all("#found li", text),
    text: all("#text li", text),
    boxes: all("#graph .goroutines title", text),
    objects: all("#graph .object title", text),
    wires: all("#graph .wire", e => e.classList.contains("bad")),
    before: !document.getElementById("before").disabled,
    next: !document.getElementById("next").disabled,
  };
};

// Of every text with a colour of its own: how it stands out from what is behind it (WCAG 2).
const contrasts = () => {
  const rgb = c => c.match(/[\d.]+/g).map(Number);
  const light = c => {
    const [r, g, b] = rgb(c).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const clear = c => c === "transparent" || (rgb(c).length > 3 && rgb(c)[3] === 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!clear(c)) return c;
    }
    return "rgb(255,255,255)";
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
  const worst = {};
  for (const e of document.querySelectorAll("h1, h2, p, label, b, button, li, i, summary, .who, footer")) {
    if (!e.textContent.trim() || !e.getClientRects().length || e.disabled) continue;
    const r = ratio(getComputedStyle(e).color, behind(e)), name = e.tagName + "." + e.className;
    worst[name] = Math.min(worst[name] ?? 99, r);
  }
  for (const g of document.querySelectorAll("#graph .goroutines")) {
    const [letter] = g.querySelectorAll("text"), fill = getComputedStyle(g.querySelector("path")).fill;
    worst["letter " + letter.textContent] = ratio(getComputedStyle(letter).fill, fill);
    for (const t of [...g.querySelectorAll("text")].slice(1))
      worst["box text"] = Math.min(worst["box text"] ?? 99, ratio(getComputedStyle(t).fill, getComputedStyle(g.querySelector("rect")).fill));
  }
  return worst;
};

const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});
async function open(options) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, reducedMotion: "reduce", ...options});
  const page = await context.newPage();
  page.on("console", m => seen.problems.push(m.type() + ": " + m.text()));
  page.on("pageerror", e => seen.problems.push("error: " + e.message));
  page.on("request", r => seen.requests.push(r.url()));
  await page.goto(url);
  return page;
}

const page = await open({colorScheme: "light"});
const looks = 1 + Number(await page.locator("#at").getAttribute("max"));
seen.title = await page.locator("#target").textContent();
seen.legend = await page.locator("#key li").allTextContents();
seen.strips = await page.locator("#strips .strip svg").evaluateAll(all => all.map(e => e.getAttribute("aria-label")));
seen.timeline = await page.locator("#line").getAttribute("aria-label");
const key = async name => { await page.keyboard.press(name); return page.evaluate(read); };

// Back from the end, look by look, to the beginning; then forth again, and along the findings.
seen.keyboard.push(await page.evaluate(read));
for (let i = 1; i < looks; i++) seen.keyboard.push(await key("ArrowLeft"));
seen.stays = (await key("ArrowLeft")).when === seen.keyboard.at(-1).when;
seen.end = (await key("End")).when;
seen.home = (await key("Home")).when;
seen.forth = [];
for (let i = 1; i < looks; i++) seen.forth.push((await key("ArrowRight")).when);
await key("Home");
seen.jumps = [];
for (let before = ""; ;) {
  const now = await key("n");
  if (now.when === before) break;
  seen.jumps.push(before = now.when);
}
seen.back = (await key("p")).when;

// The same with the mouse: buttons, the time line, a strip, the slider.
await page.locator("#before").click().catch(() => {});
await key("Home");
const click = async (locator, part) => {
  const box = await locator.boundingBox();
  await locator.click({position: {x: box.width * part, y: box.height / 2}});
  return (await page.evaluate(read)).when;
};
seen.mouse.line = [await click(page.locator("#line"), .999), await click(page.locator("#line"), .001)];
if (await page.locator("#next").isEnabled()) {
  await page.locator("#next").click();
  seen.mouse.next = (await page.evaluate(read)).when;
}
if (seen.strips.length) seen.mouse.strip = await click(page.locator("#strips .strip svg").first(), .001);
await key("Home");
await page.locator("#play").click();
await page.waitForFunction(() => +document.getElementById("at").value >= 2);
await page.locator("#play").click();
seen.mouse.played = Number(await page.locator("#at").inputValue());
seen.mouse.play = await page.locator("#play").textContent();
await key("n");
await page.locator("summary").click();
seen.mouse.text_shown = await page.locator("#text").isVisible();
if (shots) await page.screenshot({path: shots + "/light.png", fullPage: true});
seen.schemes.light = await page.evaluate(contrasts);

const dark = await open({colorScheme: "dark"});
seen.schemes.dark = await dark.evaluate(contrasts);
seen.schemes.background = [await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
                           await dark.evaluate(() => getComputedStyle(document.body).backgroundColor)];
if (shots) await dark.screenshot({path: shots + "/dark.png", fullPage: true});

const narrow = await open({colorScheme: "light", viewport: {width: 360, height: 740}});
seen.narrow = await narrow.evaluate(() => ({
  wide: document.documentElement.scrollWidth,
  text: Math.min(...[...document.querySelectorAll("#graph text")].map(e => e.getBoundingClientRect().height)),
  out: [...document.querySelectorAll("h1, p, li, button, .strip, #graph svg")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length,
}));
if (shots) await narrow.screenshot({path: shots + "/narrow.png", fullPage: true});
await browser.close();
console.log(JSON.stringify(seen));
