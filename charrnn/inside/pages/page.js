"use strict";
// The text of a page of `charrnn inspect`, coloured by what one unit does at each character.
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = data.cells.length;
  const element = (id) => document.getElementById(id);

  async function unpack(text, Kind) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Kind(await new Response(stream).arrayBuffer());
  }
  const [best, chances, bits, changes, standIns, ...values] = await Promise.all([
    unpack(data.best, Uint32Array), unpack(data.chances, Float32Array),
    unpack(data.bits, Float32Array), unpack(data.changes, Float32Array),
    unpack(data.standIns, Uint32Array),
    ...data.quantities.map((quantity) => unpack(quantity.values, Uint8Array)),
  ]);

  // What is shown: a quantity of a unit of a layer, at a character; perhaps a passage, [from, to].
  const now = { quantity: 0, layer: 0, unit: 0, at: 0, passage: null };
  let kept = null; // the unit that was chosen, while the pointer shows others

  const RANKED = 12; // units of a passage that are listed
  const RANKING_HOW = element("ranking-how").textContent;
  const RANKING_READ = "A unit's mean there minus its mean elsewhere, over its standard deviation + 0.05.";
  const RANKING_ALL = "This is the whole text, so there is no elsewhere to compare with: select a part of it.";

  const number = (level) => (level ? (level - data.levels - 1) / data.levels : NaN);
  const levelsOf = (quantity, layer, unit) => {
    const start = (layer * data.hidden + unit) * count;
    return values[quantity].subarray(start, start + count);
  };
  const valueAt = (at, layer = now.layer, unit = now.unit) =>
    number(levelsOf(now.quantity, layer, unit)[at]);
  const inWords = (value) =>
    Number.isNaN(value) ? "no number" : (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);

  function make(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  // A colour and a bar for each level: thousands of characters change faster by rules than one by one.
  for (let level = -data.levels; level <= data.levels; level++) {
    const share = Math.abs(level) / data.levels;
    const [hue, bar] = level > 0 ? ["--above", "--full"] : ["--below", "--striped"];
    document.styleSheets[0].insertRule(`[data-level="${level}"] {
      background: var(${bar}) bottom / 100% ${(0.3 * share).toFixed(3)}em no-repeat
        color-mix(in srgb, var(${hue}) ${Math.round(100 * share)}%, var(--paper)); }`);
  }
  // Colour and bar of an element: `value` from -1 to 1.
  function paint(target, value) {
    target.dataset.level = Math.round(Math.max(-1, Math.min(1, value)) * data.levels);
  }

  function glyph(target, text) {
    target.textContent = text;
    if (["·", "↵", "⇥", "␍"].includes(text)) target.classList.add("pale");
    if (text.startsWith("◌")) target.classList.add("mark");
    else if ([...text].length > 1) target.classList.add("code");
    return target;
  }

  // The text, once.
  const breaks = new Set(data.breaks);
  const spans = data.cells.map((cell, at) => {
    const span = glyph(make("span", { id: `c${at}` }), cell);
    span.setAttribute("role", "option");
    span.setAttribute("aria-label", `${cell}, ${at}`);
    return span;
  });
  const pieces = [];
  spans.forEach((span, at) => {
    pieces.push(span);
    if (breaks.has(at)) pieces.push(make("br"));
    else if (data.cells[at] === "·") pieces.push(make("wbr"));
  });
  element("text").append(...pieces);

  function colourText() {
    const levels = levelsOf(now.quantity, now.layer, now.unit);
    spans.forEach((span, at) => paint(span, number(levels[at])));
  }

  // The units of the layer at the character.
  const squares = Array.from({ length: data.hidden }, (_, unit) =>
    make("i", { title: `unit ${unit}` }));
  element("map").append(...squares);
  function colourMap() {
    squares.forEach((square, unit) => {
      paint(square, valueAt(now.at, now.layer, unit));
      square.title = `${now.layer}.${unit}: ${inWords(valueAt(now.at, now.layer, unit))}`;
      square.classList.toggle("chosen", unit === now.unit);
    });
  }

  function nextTable(at) {
    const rows = [];
    for (let k = at * data.likeliest; k < (at + 1) * data.likeliest; k++) {
      const bar = make("span", { className: "bar" });
      bar.style.setProperty("--size", chances[k] || 0);
      rows.push(make("tr", {},
        make("td", {}, glyph(make("span", { className: "glyph" }), data.vocabulary[best[k]])),
        make("td", { className: "number" }, `${(100 * chances[k]).toFixed(1)}%`),
        make("td", {}, bar)));
    }
    return make("table", { id: "likeliest" }, ...rows);
  }

  // What the prediction of this character owes to those before it.
  function owed(at) {
    const row = make("div", { className: "row", id: "mattered" });
    const start = Math.max(0, at - data.window);
    const own = changes.subarray(at * data.window, (at + 1) * data.window);
    const most = Math.max(...own.map(Math.abs), 1e-9);
    for (let k = start; k < at; k++) {
      const change = own[at - 1 - k];
      const cell = glyph(make("span"), data.cells[k]);
      paint(cell, change / most);
      cell.title = `saves ${inWords(change)} bits, compared with ${data.vocabulary[standIns[k]]}`;
      cell.dataset.bits = change;
      row.append(cell);
    }
    const found = own.subarray(0, at - start);
    const strongest = found.reduce((top, change, k) => (change > found[top] ? k : top), 0);
    const said = at === 0 || !(found[strongest] > 0) ? "" :
      `Most: \u2068${data.cells[at - 1 - strongest]}\u2069, ${strongest + 1} back, saves ` +
      `${inWords(found[strongest])} bits.`;
    return [row, make("p", { className: "hint" }, said)];
  }

  function showPanel() {
    const { at } = now;
    const surprise = Number.isNaN(bits[at]) ? (at === 0 ? "the first: not predicted" : "no number")
      : `${bits[at].toFixed(2)} bits`;
    const value = valueAt(at);
    const shown = make("span", { id: "value" }, inWords(value));
    shown.dataset.value = value;
    // For those who hear the page: in a few words what the panel shows.
    element("said").textContent = `${data.cells[at]}: ${inWords(value)}, surprisal ${surprise}; ` +
      `next ${data.vocabulary[best[at * data.likeliest]]}`;
    element("panel").replaceChildren(
      make("h2", {}, `${data.unit === "byte" ? "Byte" : "Character"} ${at}: `,
        glyph(make("span", { className: "glyph", id: "character" }), data.cells[at])),
      make("p", {}, `${data.quantities[now.quantity].name} of unit ${now.layer}.${now.unit}: `, shown,
        "; surprisal: ", make("span", { id: "surprisal" }, surprise)),
      make("h2", {}, "Likeliest to come next"), nextTable(at),
      make("h2", {}, "What mattered for predicting it"),
      make("p", { className: "hint" },
        `Bits that each earlier ${data.unit} saves, compared with the likeliest other in its place.`),
      ...owed(at));
  }

  // Units of the passage: how far apart their means there and elsewhere are, relative to how much they vary.
  function rank() {
    const size = now.passage ? now.passage[1] - now.passage[0] + 1 : 0;
    const part = size > 0 && size < count;
    element("ranked").replaceChildren(...(part ? ranked().slice(0, RANKED).map(inRanking) : []));
    element("ranking-how").textContent = part ? RANKING_READ : size ? RANKING_ALL : RANKING_HOW;
  }

  function ranked() {
    const [from, to] = now.passage;
    const within = to - from + 1;
    const found = [];
    for (let layer = 0; layer < data.layers; layer++) {
      for (let unit = 0; unit < data.hidden; unit++) {
        const levels = levelsOf(now.quantity, layer, unit);
        const sums = [0, 0], squared = [0, 0];
        for (let at = 0; at < count; at++) {
          const value = number(levels[at]), side = at >= from && at <= to ? 0 : 1;
          sums[side] += value;
          squared[side] += value * value;
        }
        const sizes = [within, count - within];
        const means = sums.map((sum, side) => sum / sizes[side]);
        const spread = squared.reduce((total, sum, side) =>
          total + sum - sizes[side] * means[side] ** 2, 0) / count;
        // Without the 0.05, a unit that hardly moves would come first for any difference.
        const score = (means[0] - means[1]) / (Math.sqrt(Math.max(0, spread)) + 0.05);
        if (!Number.isNaN(score)) found.push({ layer, unit, score, mean: means[0] });
      }
    }
    return found.sort((one, other) => Math.abs(other.score) - Math.abs(one.score));
  }

  function inRanking({ layer, unit, score, mean }) {
    const choice = make("button", { type: "button" }, `${layer}.${unit}`);
    choice.addEventListener("click", () => choose(layer, unit));
    paint(choice, mean);
    const apart = make("span", { className: "number" }, inWords(score));
    return make("li", { title: `its mean there: ${inWords(mean)}` }, choice, " ", apart);
  }

  function showUnit() {
    element("layer").value = now.layer;
    if (document.activeElement !== element("unit")) element("unit").value = `${now.layer}.${now.unit}`;
    colourText();
    colourMap();
    showPanel();
  }

  function choose(layer, unit) {
    Object.assign(now, { layer, unit });
    kept = null;
    element("complaint").textContent = "";
    element("unit").value = `${layer}.${unit}`;
    showUnit();
  }

  function step(by) {
    const units = data.layers * data.hidden;
    const place = (now.layer * data.hidden + now.unit + by + units) % units;
    choose(Math.floor(place / data.hidden), place % data.hidden);
  }

  function moveTo(at, { scroll = false } = {}) {
    spans[now.at].classList.remove("here");
    now.at = Math.max(0, Math.min(count - 1, at));
    spans[now.at].classList.add("here");
    element("text").setAttribute("aria-activedescendant", `c${now.at}`);
    if (scroll) spans[now.at].scrollIntoView({ block: "nearest" });
    colourMap();
    showPanel();
  }

  function select(one, other) {
    now.passage = one === null ? null : [Math.min(one, other), Math.max(one, other)];
    spans.forEach((span, at) => {
      const inside = Boolean(now.passage) && at >= now.passage[0] && at <= now.passage[1];
      span.classList.toggle("selected", inside);
      span.setAttribute("aria-selected", inside);
    });
    rank();
  }

  // Controls.
  element("quantity").append(...data.quantities.map(({ name, scale }) =>
    make("option", { value: name }, scale)));
  element("quantity").addEventListener("change", (event) => {
    now.quantity = event.target.selectedIndex;
    legend();
    showUnit();
    rank();
  });
  element("layer").append(...Array.from({ length: data.layers }, (_, layer) =>
    make("option", { value: layer }, String(layer))));
  element("layer").addEventListener("change", (event) =>
    choose(Number(event.target.value), now.unit));
  element("controls").addEventListener("submit", (event) => event.preventDefault());
  element("unit").addEventListener("input", (event) => {
    const found = /^\s*(\d+)\.(\d+)\s*$/.exec(event.target.value);
    const there = found && Number(found[1]) < data.layers && Number(found[2]) < data.hidden;
    element("complaint").textContent = there ? "" :
      `choose from 0.0 to ${data.layers - 1}.${data.hidden - 1}`;
    if (there) {
      Object.assign(now, { layer: Number(found[1]), unit: Number(found[2]) });
      kept = null;
      showUnit();
    }
  });
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));

  function legend() {
    const gate = data.quantities[now.quantity].scale.includes("from 0");
    const marks = (gate ? [0, 0.25, 0.5, 0.75, 1] : [-1, -0.5, 0, 0.5, 1]).map((value) => {
      const mark = make("span", {}, inWords(value));
      paint(mark, value);
      return mark;
    });
    element("legend").replaceChildren(...marks);
  }

  // The pointer: over a character, over a unit, along a passage.
  const placeOf = (target) => (target.id && /^c\d+$/.test(target.id) ? Number(target.id.slice(1)) : -1);
  // Browsers also tell of a pointer that rests while the page scrolls under it; only what moves points.
  let resting = "";
  function hasMoved({ screenX, screenY }) {
    const place = `${screenX} ${screenY}`;
    const moved = place !== resting;
    resting = place;
    return moved;
  }
  let pressed = -1, before = null; // where a passage is begun, and the one that was selected before
  element("text").addEventListener("pointermove", (event) => {
    const at = placeOf(event.target);
    if (!hasMoved(event) || at < 0 || at === now.at) return;
    moveTo(at);
    if (pressed >= 0) select(pressed, at);
  });
  element("text").addEventListener("pointerdown", (event) => {
    const at = placeOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    event.target.releasePointerCapture(event.pointerId); // a finger would stay on this character
    element("text").focus({ preventScroll: true });
    pressed = at;
    before = now.passage;
    moveTo(at);
  });
  window.addEventListener("pointerup", () => {
    if (pressed === now.at) select(null);
    pressed = -1;
  });
  window.addEventListener("pointercancel", () => { // a finger that begins to scroll
    if (pressed >= 0) select(...(before ?? [null]));
    pressed = -1;
  });
  const unitOf = (target) => squares.indexOf(target);
  element("map").addEventListener("pointermove", (event) => {
    const unit = unitOf(event.target);
    if (!hasMoved(event) || unit < 0 || unit === now.unit) return;
    kept = kept ?? now.unit;
    now.unit = unit;
    showUnit();
  });
  element("map").addEventListener("pointerleave", () => {
    if (kept === null) return;
    now.unit = kept;
    kept = null;
    showUnit();
  });
  element("map").addEventListener("click", (event) => {
    const unit = unitOf(event.target);
    if (unit < 0) return;
    choose(now.layer, unit);
  });

  // The keyboard.
  let anchor = null;
  element("text").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const to = { Home: 0, End: count - 1, ArrowUp: line(-1), ArrowDown: line(1) }[event.key];
    if (event.key === "Escape") {
      anchor = null;
      select(null);
    } else if (by !== undefined || to !== undefined) {
      event.preventDefault();
      anchor = event.shiftKey ? anchor ?? now.at : null;
      moveTo(to ?? now.at + by, { scroll: true });
      if (event.shiftKey) select(anchor, now.at);
    }
  });
  // The character above or below, on the screen.
  function line(direction) {
    const here = spans[now.at].getBoundingClientRect();
    let found = now.at, distance = Infinity;
    let top = null;
    for (let at = now.at + direction; at >= 0 && at < count; at += direction) {
      const box = spans[at].getBoundingClientRect();
      if (Math.abs(box.top - here.top) < here.height / 2) continue;
      top = top ?? box.top;
      if (Math.abs(box.top - top) > here.height / 2) break;
      if (Math.abs(box.left - here.left) < distance) {
        distance = Math.abs(box.left - here.left);
        found = at;
      }
    }
    return found;
  }
  document.addEventListener("keydown", (event) => {
    // Some keyboards have [ and ] on AltGr, which Windows takes for Ctrl and Alt.
    const command = (event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph");
    if (event.target.matches("input, select") || command) return;
    if (event.key === "[") step(-1);
    if (event.key === "]") step(1);
  });

  legend();
  choose(0, 0);
  moveTo(0);
  document.body.dataset.ready = "yes";
})();
