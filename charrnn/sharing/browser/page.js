/* The page: what people see and press. Its model is whatever `openModel` gives: the one in this file
   or a server's. All text from outside is put in as text, never as markup. */

const MAX_SHADE = 12; // bits, from which on a character has the strongest colour
const LIKELY = 8; // how many of the likeliest next characters are shown

const element = (id) => document.getElementById(id);

function make(tag, content = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = content;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const say = (id, message) => { element(id).textContent = message; };
const rounded = (number, digits) => number.toLocaleString("en", { maximumFractionDigits: digits });

const counted = (count) => `${rounded(count)} character${count === 1 ? "" : "s"}`;

/** Run some work; what goes wrong is shown in the element `id`. Returns whether it was aborted. */
async function reporting(id, work) {
  try {
    await work();
  } catch (error) {
    if (error.name === "AbortError") return true;
    say(id, error.message);
    console.error(error);
  }
  return false;
}

/** The characters of a text that the model does not know; one of bytes knows all. */
function unknownTo({ characters }, text) {
  return characters === null ? [] : [...new Set(text)].filter((character) => !characters.includes(character));
}

/** The text in the form of Unicode that the model knows, record by record, and without what it does not
    know; says in the element `id` what was changed and left out. `within` gives the part of a record that
    is read. */
function knownPart(model, text, id, within = (record) => record) {
  if (model.characters === null) return text;
  const known = new Set(model.characters);
  const parts = recordsOf(text, model).map((record) => knownForm(within(record), known));
  const forms = [...new Set(parts.map(({ form }) => form))].filter((form) => form).sort().join(" or ");
  const unknown = unknownTo(model, parts.map((part) => part.text).join(""));
  const left = unknown.length ? [`The model does not know ${named(unknown)}; left out.`] : [];
  say(id, [...(forms ? [formNote(forms)] : []), ...left].join(" "));
  if (!forms && !unknown.length) return text;
  const knownOf = (part) => [...part.text].filter((character) => known.has(character)).join("");
  return parts.map(knownOf).join(model.end ?? "");
}

// ---------- Write ----------

const stopText = () => element("stop-text").value.replaceAll("\\n", "\n");

/** What is known of the beginning that was typed; see `knownPart`. Where records end in a line end, one at
    its end is left out: the text would go on with another record. Also says of a text to stop before that it
    never comes. */
function promptOf(model) {
  const typed = element("prompt").value;
  const ended = model.end === "\n" && typed.endsWith("\n");
  say("prompt-unknown", "");
  const prompt = knownPart(model, ended ? typed.slice(0, -1) : typed, "prompt-unknown");
  if (ended) element("prompt-unknown").append(" The line end at its end is left out: this model's texts end there.");
  const stop = knownForm(stopText(), new Set(model.characters)).text, unknown = unknownTo(model, stop);
  const never = `No text will stop before ${JSON.stringify(stop)}: the model does not know ${named(unknown)}.`;
  if (unknown.length) element("prompt-unknown").append(` ${never}`);
  return prompt;
}

function prepareWriting(model) {
  const written = element("written"), finished = ["copy", "save", "colour-written"];
  const buttons = (writing) => {
    element("stop").disabled = !writing;
    element("write").querySelector("[type=submit]").disabled = writing;
    for (const id of finished) element(id).disabled = writing || !written.textContent;
  };
  let stopping = null; // while a text is being written, what stops it

  const write = async () => {
    if (stopping) return; // Ctrl+Enter comes in spite of the disabled button
    const prompt = promptOf(model);
    const settings = settingsOf(prompt);
    stopping = new AbortController();
    written.replaceChildren(make("span", prompt, { class: "given" }), "");
    say("write-status", "Writing…");
    buttons(true);
    const begin = performance.now();
    let count = 0;
    const signal = stopping.signal;
    const stopped = await reporting("write-status", async () => {
      for await (const piece of model.generate({ ...settings, signal })) {
        written.lastChild.appendData(piece);
        count += [...piece].length;
      }
      const rate = count / ((performance.now() - begin) / 1000);
      say("write-status", `${counted(count)}, ${rounded(rate, 0)} a second; seed ${settings.seed}.`);
    });
    if (stopped) say("write-status", `Stopped after ${counted(count)}; seed ${settings.seed}.`);
    stopping = null;
    buttons(false);
  };

  element("write").addEventListener("submit", (event) => {
    event.preventDefault();
    write();
  });
  // The browser says nothing of a wrong setting that it can't show.
  const show = (event) => event.target.closest("details")?.setAttribute("open", "");
  element("write").addEventListener("invalid", show, { capture: true });
  element("stop").addEventListener("click", () => stopping.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stopping?.abort();
    const inPrompt = event.target === element("prompt");
    if (inPrompt && event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("write").requestSubmit();
  });
  element("copy").addEventListener("click", () => copy(written));
  element("save").addEventListener("click", () => {
    save(new Blob([written.textContent], { type: "text/plain" }), `${model.facts.name}.txt`);
  });
  element("colour-written").addEventListener("click", () => {
    element("text").value = written.textContent;
    element("colour").requestSubmit();
    element("colour-heading").scrollIntoView();
  });
  if (model.longest) {
    const length = element("length");
    length.max = model.longest;
    length.value = Math.min(length.value, model.longest);
  }
  const temperature = element("temperature");
  const shown = () => say("temperature-shown", Number(temperature.value).toFixed(2));
  temperature.addEventListener("input", shown);
  shown();
}

function settingsOf(prompt) {
  const number = (id, otherwise) => (element(id).value === "" ? otherwise : Number(element(id).value));
  const stop = stopText();
  return {
    prompt,
    length: number("length", 500),
    temperature: number("temperature", 0.8),
    topK: number("top-k", 0),
    topP: number("top-p", 1),
    seed: number("seed", Math.floor(Math.random() * 2 ** 32)),
    stop: stop ? [stop] : [],
  };
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch { // not allowed here: the old way
    getSelection().selectAllChildren(source);
    document.execCommand("copy");
  }
  say("write-status", "Copied.");
}

function save(blob, name) {
  const link = make("a", "", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// ---------- The likeliest next characters ----------

const NAMES = { "": "the end", " ": "space", "\n": "line end", "\t": "tab" };

/** Words that may run from right to left, so that they leave the order of those around them alone. */
const isolated = (words) => `\u2068${words}\u2069`;

function nameOf(text) {
  if (text in NAMES || /^[\p{L}\p{N}\p{P}\p{S}]$/u.test(text)) return NAMES[text] ?? text;
  return [...text].length === 1 ? codePoint(text) : JSON.stringify(text);
}

const percentOf = (probability) =>
  probability < 0.001 ? "<0.1%" : `${rounded(100 * probability, probability < 0.1 ? 1 : 0)}%`;

function prepareLikely(model) {
  const prompt = element("prompt"), likely = element("likely");
  // The buttons stay while their words change, so that the keyboard stays on one.
  const buttons = Array.from({ length: LIKELY }, () => {
    const button = make("button", "", { type: "button" });
    button.append(make("span", "", { class: "what" }), " ", make("span", "", { class: "chance" }));
    button.hidden = true;
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      prompt.value += button.dataset.text;
      update();
    });
    likely.append(button);
    return button;
  });
  const inBytes = model.facts.unit === "byte"; // in others U+FFFD is a character
  let running = false, stale = false;

  async function update() {
    stale = true;
    if (running) return;
    running = true;
    while (stale) {
      stale = false;
      await reporting("prompt-unknown", async () => {
        show(await model.next(promptOf(model), LIKELY));
      });
    }
    running = false;
  }

  function show(found) {
    buttons.forEach((button, k) => {
      button.hidden = k >= found.length;
      if (button.hidden) return;
      const { text, probability } = found[k];
      const percent = percentOf(probability), partial = inBytes && text === "\ufffd";
      const name = partial ? "part of a character" : nameOf(text);
      button.dataset.text = text;
      // What can't be typed; a button that is disabled would lose the keyboard.
      button.setAttribute("aria-disabled", text === "" || partial);
      button.firstChild.textContent = name;
      button.lastChild.textContent = percent;
      button.setAttribute("aria-label", `Add ${name}, ${percent}`);
    });
  }

  prompt.addEventListener("input", update);
  document.addEventListener("units-held", update);
  update();
}

// ---------- Colour a text ----------

const shadeOf = (nats) =>
  nats === null ? 0 : Math.min(MAX_SHADE, Math.max(0, Math.round(nats / Math.LN2 || 0)));

function shaded(text, shade) {
  const mark = make("mark", text);
  mark.style.setProperty("--bits", shade);
  return mark;
}

function prepareColouring(model) {
  let latest = 0;
  for (let bits = 0; bits <= MAX_SHADE; bits++) element("key").append(shaded(String(bits), bits));

  element("colour").addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++latest;
    const within = model.end === null ? undefined : withoutLineEnds;
    const text = knownPart(model, element("text").value, "text-unknown", within);
    element("coloured").replaceChildren();
    if (!text) return say("colour-status", "There is no text to colour; paste one above.");
    say("colour-status", "Reading…");
    await reporting("colour-status", async () => {
      const characters = await model.score(text);
      if (mine !== latest) return;
      element("coloured").replaceChildren(...runs(characters));
      element("key").hidden = false;
      say("colour-status", summaryOf(characters, model.end));
    });
  });
}

/** Neighbours of one shade as one element each. */
function runs(characters) {
  const found = [];
  for (const { text, nats } of characters) {
    const shade = shadeOf(nats);
    if (found.at(-1)?.shade === shade) found.at(-1).text += text;
    else found.push({ text, shade });
  }
  return found.map(({ text, shade }) => shaded(text, shade));
}

/** What a text costs; `end` is that of the model's records, or null. */
function summaryOf(characters, end) {
  const scored = characters.filter(({ nats }) => nats !== null);
  if (!scored.length) {
    return end === null ? "One character alone costs nothing: nothing precedes it."
      : "There are only empty records in it, which the model does not read.";
  }
  const nats = scored.reduce((sum, one) => sum + one.nats, 0) / scored.length;
  const worst = characters.reduce((most, { nats: cost }, k) => (cost > (characters[most]?.nats ?? 0) ? k : most), -1);
  const before = characters.slice(Math.max(0, worst - 12), Math.max(0, worst)).map((one) => one.text).join("");
  const where = before ? `after ${isolated(JSON.stringify(before))}` : "at the very beginning";
  const worstSaid = worst < 0 ? "" : ` The greatest surprise, ${rounded(characters[worst].nats / Math.LN2, 1)} bits: ` +
    `${isolated(nameOf(characters[worst].text))} ${where}.`;
  return `${rounded(nats / Math.LN2, 3)} bits per character, over ${rounded(scored.length)}.${worstSaid}`;
}

// ---------- Hold units at a value ----------

function prepareUnits(model) {
  if (!model.clamps) return;
  const { numLayers, hiddenSize } = model.facts;
  element("units").hidden = false;
  element("layer").max = numLayers - 1;
  element("unit").max = hiddenSize - 1;
  const changed = (clamps) => {
    model.clamps = clamps; // a new array: what was read with the old values is read again
    document.dispatchEvent(new Event("units-held"));
  };

  element("hold").addEventListener("submit", (event) => {
    event.preventDefault();
    const layer = element("layer").valueAsNumber, unit = element("unit").valueAsNumber;
    if (model.clamps.some((held) => held.layer === layer && held.unit === unit)) return;
    const held = { layer, unit, value: 1 };
    const name = `unit ${layer}.${unit}`;
    const id = `held-${layer}-${unit}`;
    const slider = make("input", "", { id, type: "range", min: -1, max: 1, step: 0.01, value: 1 });
    const shown = make("output", "1.00", { for: id }), label = make("label", `${name}: `, { for: id });
    const release = make("button", "Let go", { type: "button", "aria-label": `Let go of ${name}` });
    const row = make("li");
    label.append(shown);
    row.append(label, slider, release);
    slider.addEventListener("input", () => {
      held.value = slider.valueAsNumber; // a text that is being written sees it at once
      shown.textContent = held.value.toFixed(2);
      changed([...model.clamps]);
    });
    release.addEventListener("click", () => {
      row.remove();
      changed(model.clamps.filter((other) => other !== held));
      element("unit").focus();
    });
    element("held").append(row);
    changed([...model.clamps, held]);
  });
}

// ---------- About ----------

function prepareAbout(model) {
  const { name, unit, cell, numLayers, hiddenSize, corpus, card = {}, exact } = model.facts;
  if (!model.local) { // the server sends one page for all of its models
    document.title = name;
    document.querySelector("h1").textContent = name;
  }
  const names = { rnn: "SimpleRNN", lstm: "LSTM", gru: "GRU" };
  say("summary", `A small recurrent language model (${names[cell] ?? cell}, ${numLayers} × ${hiddenSize}) ` +
    `that reads and writes one ${unit} at a time.` +
    (corpus ? ` It learnt from ${corpus}, and may repeat passages.` : ""));
  say("privacy", model.local
    ? "The model is in this page. It works offline and makes no request: nothing you type leaves it."
    : "What you type goes to the server that this page came from, and nowhere else.");
  const rows = { name, ...card };
  if (exact !== undefined) rows.weights = exact ? "exact (fp32)" : "rounded to bytes, a scale for each row";
  for (const [label, value] of Object.entries(rows)) {
    const row = make("tr");
    row.append(make("th", label, { scope: "row" }), make("td", value));
    element("card").append(row);
  }
  for (const [id, work] of [["self-test", selfTest], ["archive", archive]]) {
    const button = element(id);
    button.hidden = !(id === "archive" ? model.archive : model.selfTest);
    button.addEventListener("click", async () => {
      button.disabled = true;
      say("about-status", "Working…");
      await reporting("about-status", () => work(model));
      button.disabled = false;
    });
  }
}

async function selfTest(model) {
  const { passed, lines } = await model.selfTest();
  say("about-status", `Self-test ${passed ? "passed" : "FAILED"}. ${lines.join(" ")}`);
}

async function archive(model) {
  save(await model.archive(), `${model.facts.name}.zip`);
  say("about-status", "Unpack it and use the folder: charrnn sample FOLDER." +
    (model.facts.exact ? "" : " Its weights are the rounded ones."));
}

async function openPage() {
  try {
    const model = await openModel(element("model").textContent.trim(), (message) => say("summary", message));
    prepareAbout(model);
    prepareWriting(model);
    prepareColouring(model);
    prepareUnits(model);
    prepareLikely(model);
    element("main").hidden = false;
  } catch (error) {
    say("summary", `The model could not be opened: ${error.message}`);
    throw error;
  }
}

const opened = openPage();
