/* history.ts - the program of the page of `deadlock --history`.
 *
 * `./dev build` compiles it (strict, without dependencies) into web/history.html, which becomes part of gospect;
 * src/report/history.c writes the data, and says what they mean: struct by struct the types below.  A page must
 * go on being readable years later, from a file, without a network: nothing is fetched. */

type Goid = number;
/* What a goroutine does: state (index of STATES), way to wait, index of what it waits for or -1, place. */
type Situation = readonly [state: number, way: string, object: number, where: string];
type Finding = readonly [kind: string, begins: number, ...ids: Goid[]];
type Held = readonly [object: number, id: Goid];

interface Look {
  t: number; /* ms since 1970 */
  by: number[]; /* goroutines in each state */
  set: (readonly [situation: number, ...ids: Goid[]])[]; /* what changed since the look before */
  gone: Goid[];
  holds: Held[];
  tries: Held[]; /* in a livelock: what they are about to take */
  found: Finding[];
}

interface History {
  target: string;
  situations: Situation[]; /* 0 is idle */
  objects: string[];
  looks: Look[];
  full?: boolean; /* its end is missing */
}

interface Box { /* goroutines in one situation that hold the same */
  situation: number;
  held: number[];
  ids: Goid[];
  special: boolean; /* in a finding */
  tries: number | undefined;
}

interface Row { /* goroutines with the same history: [first look, state or -1: gone] */
  list: [from: number, kind: number][];
  ids: Goid[];
}

type Attributes = Record<string, string | number>;

const STATES: readonly (readonly [letter: string, word: string])[] = [["I", "idle"], ["H", "holding"], ["W", "waiting"], ["S", "starving"]];
const MOST_NODES = 60, MOST_ALONE = 12, MOST_STRIPS = 200, ROW = 46, NS = "http://www.w3.org/2000/svg";

/* An element of the page; that it is there is a fact of history.html. */
function byId<E extends Element = HTMLElement>(id: string): E {
  const found = document.querySelector<E>("#" + id);
  if (!found) throw new Error("the page has no " + id);
  return found;
}

const data = JSON.parse(byId("data").textContent ?? "") as History;
const looks = data.looks, at = byId<HTMLInputElement>("at");
let state = new Map<Goid, number>(), stands = -1, playing = 0;

/* What an index of the data stands for; gospect writes no other. */
function one<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`the data are damaged: there is no ${index}`);
  return found;
}

const word = (kind: number) => one(STATES, kind)[1];
const situation = (index: number) => one(data.situations, index);
const named = (object: number) => one(data.objects, object);

function setAll(e: Element, attributes: Attributes) {
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
}

function element<K extends keyof SVGElementTagNameMap>(parent: Element, name: K, attributes: Attributes, text?: string) {
  const e = document.createElementNS(NS, name);
  setAll(e, attributes);
  if (text !== undefined) e.textContent = text;
  parent.appendChild(e);
  return e;
}

function html<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes, ...children: (Node | string)[]) {
  const e = document.createElement(name);
  setAll(e, attributes);
  e.append(...children);
  return e;
}

/* The situations of all goroutines at a look: from where we stand, or from the beginning. */
function walk(to: number) {
  if (to < stands) { state = new Map(); stands = -1; }
  while (stands < to) {
    const look = one(looks, ++stands);
    for (const id of look.gone) state.delete(id);
    for (const [now, ...ids] of look.set)
      for (const id of ids) if (now) state.set(id, now); else state.delete(id);
  }
}

function names(ids: Goid[]) {
  const shown = ids.slice(0, 4).map(id => "g" + id).join(" ");
  return ids.length > 4 ? shown + " and " + (ids.length - 4) + " more" : shown;
}

function goroutines(ids: Goid[]) {
  const most = ids.slice(0, 20).join(", ");
  return (ids.length > 1 ? "goroutines " : "goroutine ") + most + (ids.length > 20 ? ` and ${ids.length - 20} more` : "");
}

function cut(text: string, wide: number) {
  const most = Math.max(4, Math.floor(wide / 6.7));
  return text.length > most ? text.slice(0, most - 1) + "\u2026" : text;
}

/* Goroutines in one situation that hold the same are one box; whoever is in a finding has its own. */
function boxes(look: Look): Box[] {
  const holds = new Map<Goid, number[]>(), special = new Set<Goid>(), groups = new Map<string, Box>();
  for (const [object, id] of look.holds) {
    const held = holds.get(id);
    if (!held) holds.set(id, [object]);
    else if (!held.includes(object)) held.push(object);
  }
  for (const [, , ...ids] of look.found) if (ids.length <= MOST_ALONE) for (const id of ids) special.add(id);
  const tries = new Map(look.tries.map(([object, id]) => [id, object]));
  const add = (id: Goid, now: number) => {
    const held = holds.get(id) ?? [], alone = special.has(id);
    const key = alone ? "g" + id : now + "|" + held.join(",");
    const box = groups.get(key);
    if (box) box.ids.push(id);
    else groups.set(key, {situation: now, held, ids: [id], special: alone, tries: tries.get(id)});
  };
  for (const [id, now] of state) add(id, now);
  for (const id of new Set([...holds.keys(), ...special])) if (!state.has(id)) add(id, 0);
  return [...groups.values()].sort((a, b) => Number(b.special) - Number(a.special) || b.held.length - a.held.length ||
                                             b.ids.length - a.ids.length);
}

function inCircle(look: Look, id: Goid) {
  return look.found.some(([kind, , ...ids]) => (kind === "deadlock" || kind === "livelock") && ids.includes(id));
}

function arrow(svg: Element, x1: number, y1: number, x2: number, y2: number, how: "waits" | "tries" | "holds", alarm: boolean) {
  const half = (x1 + x2) / 2;
  element(svg, "path", {d: `M${x1} ${y1} C${half} ${y1} ${half} ${y2} ${x2} ${y2}`, class: alarm ? "wire bad" : "wire",
                        "stroke-dasharray": how === "holds" ? "7 4" : "none", "marker-end": alarm ? "url(#tip-bad)" : "url(#tip)"});
}

/* In words, for who cannot see the picture. */
function inWords(box: Box) {
  const [kind, way, object, where] = situation(box.situation);
  const held = box.held.map(named).join(", ");
  return `${goroutines(box.ids)}: ${word(kind)}` + (way ? `, ${way}` : "") + (object >= 0 ? ` for ${named(object)}` : "") +
    (box.tries !== undefined ? `, about to take ${named(box.tries)}` : "") + (held ? `, holds ${held}` : "") + (where ? `, at ${where}` : "");
}

function marker(defs: Element, id: string, bad: boolean) {
  const tip = element(defs, "marker", {id, markerWidth: 9, markerHeight: 8, refX: 8, refY: 4, orient: "auto", markerUnits: "userSpaceOnUse"});
  element(tip, "path", {d: "M0 0 L9 4 L0 8 z", class: bad ? "tip bad" : "tip"});
}

function draw(look: Look) {
  const place = byId("graph"), all = boxes(look), shown = all.slice(0, MOST_NODES);
  const objects: number[] = [], locks = new Map<number, number>();
  const lock = (object: number) => {
    const known = locks.get(object);
    if (known !== undefined) return known;
    locks.set(object, objects.length);
    return objects.push(object) - 1;
  };
  for (const box of shown) {
    const waits = situation(box.situation)[2];
    if (waits >= 0) lock(waits);
    box.held.forEach(lock);
    if (box.tries !== undefined) lock(box.tries);
  }
  const wide = Math.max(320, Math.min(1180, place.clientWidth || 1000)), rows = Math.max(shown.length, objects.length, 1), high = rows * ROW + 12;
  const left = Math.round(wide * .44), right = Math.round(wide * (wide < 600 ? .62 : .64)), tall = ROW - 8;
  const svg = document.createElementNS(NS, "svg");
  setAll(svg, {viewBox: `0 0 ${wide} ${high}`, width: "100%", role: "img",
               "aria-label": `who waits for what, and who holds it: ${shown.map(inWords).slice(0, 20).join("; ")}`});
  const defs = element(svg, "defs", {});
  marker(defs, "tip", false);
  marker(defs, "tip-bad", true);
  const lockY = (i: number) => 4 + (i + .5) * high / (objects.length || 1) - ROW / 2;
  shown.forEach((box, i) => {
    const object = situation(box.situation)[2], y = 4 + i * ROW, alarm = box.ids.some(id => inCircle(look, id));
    if (object >= 0) arrow(svg, left, y + 13, right, lockY(lock(object)) + 12, "waits", alarm);
    else if (box.tries !== undefined) arrow(svg, left, y + 13, right, lockY(lock(box.tries)) + 12, "tries", alarm);
    for (const held of box.held) arrow(svg, right, lockY(lock(held)) + 26, left, y + 27, "holds", alarm);
  });
  shown.forEach((box, i) => {
    const [kind, way, , where] = situation(box.situation), y = 4 + i * ROW, alarm = box.ids.some(id => inCircle(look, id));
    const g = element(svg, "g", {class: "goroutines"});
    element(g, "title", {}, inWords(box));
    element(g, "rect", {x: 2, y, width: left - 2, height: tall, rx: 6, class: alarm ? "box bad" : "box"});
    element(g, "path", {d: `M8 ${y}H30V${y + tall}H8a6 6 0 0 1 -6 -6V${y + 6}a6 6 0 0 1 6 -6z`, class: "s" + kind});
    element(g, "text", {x: 16, y: y + 24, class: "t" + kind, "text-anchor": "middle", "font-weight": "bold"}, one(STATES, kind)[0]);
    const who = (alarm ? "\u21bb " : "") + (box.ids.length > 1 ? box.ids.length + " \u00d7 " : "") + names(box.ids);
    element(g, "text", {x: 38, y: y + 16, "font-weight": "600"}, cut(who, left - 44));
    element(g, "text", {x: 38, y: y + 31, class: "soft"}, cut((way + " " + where).trim() || word(kind), left - 44));
  });
  objects.forEach((object, i) => {
    const y = lockY(i), name = named(object), g = element(svg, "g", {class: "object"});
    element(g, "title", {}, name);
    element(g, "rect", {x: right, y, width: wide - right - 2, height: tall, rx: 18, class: "thing"});
    element(g, "text", {x: right + 14, y: y + 23}, cut(name, wide - right - 28));
  });
  const note = html("p", {class: "note"}, shown.length
    ? "Left: goroutines; right: what they wait for. Solid: waits for (in a livelock: is about to take). Dashed: is held by. Thick, with \u21bb: in a circle." +
      (all.length > shown.length ? ` ${all.length - shown.length} more groups are not drawn.` : "")
    : "Nobody waits, nobody holds what others wait for.");
  place.replaceChildren(...(shown.length ? [svg, note] : [note]));
  byId("text").replaceChildren(...all.slice(0, 1000).map(box => html("li", {}, inWords(box))));
}

/* ---- the time line: goroutines by state, and where something begins ---- */

function timeline() {
  const svg = byId<SVGSVGElement>("line"), total = looks.length, sum = (n: number[]) => n.reduce((a, b) => a + b, 0);
  const most = looks.reduce((n, look) => Math.max(n, sum(look.by)), 1);
  svg.setAttribute("viewBox", `0 0 ${total} 56`);
  for (const kind of [0, 1, 2, 3]) { /* idle on top, the worse the nearer to the ground */
    let d = "";
    looks.forEach((look, i) => {
      const from = sum(look.by.slice(kind + 1)), to = from + one(look.by, kind);
      const y = (n: number) => (56 - 44 * n / most).toFixed(2);
      if (to > from) d += `M${i} ${y(to)}h1V${y(from)}h-1z`;
    });
    element(svg, "path", {d, class: "s" + kind});
  }
  looks.forEach((look, i) => {
    if (look.found.some(f => f[1])) element(svg, "rect", {class: "mark", x: i, y: 0, width: 1, height: 8});
    else if (look.found.length) element(svg, "rect", {class: "mark", x: i, y: 3, width: 1, height: 2});
  });
  element(svg, "rect", {class: "cursor now", x: 0, y: 0, width: Math.max(total / 500, .03), height: 56});
  const found = looks.flatMap((look, i) => look.found.filter(f => f[1]).map(f => `${f[0]} begins in look ${i + 1}`));
  svg.setAttribute("aria-label", `goroutines in each state over ${total} looks; ` + (found.slice(0, 50).join(", ") || "nothing was found"));
  svg.onclick = (event: MouseEvent) => show(Math.floor(event.offsetX / svg.clientWidth * total));
}

function clock(ms: number) {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

function show(to: number) {
  to = Math.max(0, Math.min(looks.length - 1, to));
  walk(to);
  const look = one(looks, to);
  at.value = String(to);
  const counts = STATES.map((s, i) => one(look.by, i) + " " + s[1]).join(", ");
  at.setAttribute("aria-valuetext", `look ${to + 1} of ${looks.length}: ${counts}`);
  byId("when").replaceChildren(html("b", {}, `look ${to + 1} of ${looks.length}`), ` \u00b7 ${clock(look.t)} \u00b7 ${counts}`);
  byId("found").replaceChildren(...look.found.map(([kind, begins, ...ids]) =>
    html("li", {class: "alarm"}, html("b", {}, kind), ": " + ids.map(id => "goroutine " + id).join(", ") + (begins ? " (begins here)" : ""))));
  byId<HTMLButtonElement>("before").disabled = finding(to, -1) < 0;
  byId<HTMLButtonElement>("next").disabled = finding(to, 1) < 0;
  draw(look);
  for (const line of document.querySelectorAll(".now")) line.setAttribute("x", String(to));
}

/* ---- strips ---- */

function histories(): Row[] {
  const runs = new Map<Goid, Row["list"]>();
  const set = (id: Goid, i: number, kind: number) => {
    const list = runs.get(id), last = list?.at(-1);
    if (!list) runs.set(id, [[i, kind]]);
    else if (last?.[1] !== kind) list.push([i, kind]);
  };
  looks.forEach((look, i) => {
    for (const id of look.gone) set(id, i, -1);
    for (const [now, ...ids] of look.set) for (const id of ids) set(id, i, situation(now)[0]);
  });
  const same = new Map<string, Row>();
  for (const [id, list] of runs) {
    const key = JSON.stringify(list), row = same.get(key);
    if (row) row.ids.push(id);
    else same.set(key, {list, ids: [id]});
  }
  const worst = (row: Row) => row.list.reduce((most, run) => Math.max(most, run[1]), -1);
  return [...same.values()].sort((a, b) => worst(b) - worst(a) || b.ids.length - a.ids.length || one(a.ids, 0) - one(b.ids, 0));
}

function strip(row: Row, total: number) {
  const who = html("span", {class: "who", title: goroutines(row.ids)}, (row.ids.length > 1 ? row.ids.length + " \u00d7 " : "") + names(row.ids));
  const over = html("div", {class: "over"});
  const svg = element(over, "svg", {viewBox: `0 0 ${total} 18`, preserveAspectRatio: "none", role: "img"});
  const words: string[] = [], letters: HTMLElement[] = [], shapes = STATES.map(() => "");
  row.list.forEach(([from, kind], i) => {
    const to = row.list[i + 1]?.[0] ?? total;
    if (kind < 0) { words.push(`gone from look ${from + 1}`); return; }
    words.push(`${word(kind)} in looks ${from + 1} to ${to}`);
    shapes[kind] += `M${from} ${kind ? 1 : 13}h${to - from}V17H${from}z`;
    /* text would be stretched with the strip: letters are laid over it */
    if (kind && (to - from) / total >= .02)
      letters.push(html("span", {class: "s" + kind, style: `left:${100 * (from + to) / 2 / total}%;background:none`, "aria-hidden": "true"}, one(STATES, kind)[0]));
  });
  shapes.forEach((d, kind) => { if (d) element(svg, "path", {d, class: "s" + kind}); });
  element(svg, "rect", {class: "cursor now", x: 0, y: 0, width: Math.max(total / 400, .02), height: 18});
  svg.setAttribute("aria-label", `${goroutines(row.ids)}: ${words.join(", ")}`);
  svg.onclick = (event: MouseEvent) => show(Math.floor(event.offsetX / svg.clientWidth * total));
  over.append(...letters);
  return html("div", {class: "strip"}, who, over);
}

function strips() {
  const all = histories();
  byId("strips").append(...all.slice(0, MOST_STRIPS).map(row => strip(row, looks.length)));
  byId("strips").hidden = !all.length;
  byId("about").textContent = "One strip for all goroutines with the same history; those that never waited nor held anything have none. " +
    "A thin line is idle; what is too short has no letter. Click to go there." +
    (all.length > MOST_STRIPS ? ` ${all.length - MOST_STRIPS} more are not drawn.` : "") +
    (data.full ? " The history was longer than this page can hold: its end is missing." : "");
}

/* The look where the next thing begins, or the one before; -1: there is none. */
function finding(from: number, direction: 1 | -1) {
  for (let i = from + direction; i >= 0 && i < looks.length; i += direction)
    if (one(looks, i).found.some(f => f[1])) return i;
  return -1;
}

function step(direction: 1 | -1) {
  const to = finding(+at.value, direction);
  if (to >= 0) show(to);
}

function play() {
  const button = byId("play"), stop = playing !== 0;
  clearInterval(playing);
  playing = 0;
  if (!stop) {
    if (+at.value === looks.length - 1) show(0);
    playing = window.setInterval(() => { if (+at.value >= looks.length - 1) play(); else show(+at.value + 1); }, 400);
  }
  button.textContent = stop ? "Play" : "Stop";
  button.setAttribute("aria-pressed", String(!stop));
}

function start() {
  byId("target").textContent = data.target || "gospect deadlock";
  const first = looks[0], last = looks.at(-1);
  if (!first || !last) { byId("error").textContent = "There was no look."; return; }
  byId("span").textContent = `${looks.length} look${looks.length > 1 ? "s" : ""} at its goroutines, from ${clock(first.t)} to ${clock(last.t)}`;
  at.max = String(looks.length - 1);
  STATES.forEach(([letter, text], kind) => byId("key").append(html("li", {}, html("i", {class: "s" + kind, "aria-hidden": "true"}, letter), text)));
  at.oninput = () => show(+at.value);
  byId("play").onclick = play;
  byId("before").onclick = () => step(-1);
  byId("next").onclick = () => step(1);
  document.onkeydown = event => {
    const keys: Record<string, () => void> = {ArrowLeft: () => show(+at.value - 1), ArrowRight: () => show(+at.value + 1), Home: () => show(0),
                  End: () => show(looks.length - 1), n: () => step(1), p: () => step(-1), " ": play};
    const own = event.key === " " && event.target instanceof Element && /^(BUTTON|SUMMARY)$/.test(event.target.tagName);
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (act && !own && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      act();
    }
  };
  let wide = 0;
  new ResizeObserver(() => {
    const now = byId("graph").clientWidth;
    if (now !== wide) { wide = now; draw(one(looks, +at.value)); }
  }).observe(byId("graph"));
  timeline();
  strips();
  show(looks.length - 1);
}
start();
