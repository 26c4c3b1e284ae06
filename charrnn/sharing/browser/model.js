/* The model that is in this file: text in, text and probabilities out. */

/** Lets the browser draw and hear clicks, after each few milliseconds of work. */
class Breather {
  static WORK = 20; // milliseconds; the eye sees no pauses as short

  constructor() {
    this.since = performance.now();
  }

  get due() {
    return performance.now() - this.since > Breather.WORK;
  }

  async rest(signal) {
    // A timer would wait for at least four milliseconds.
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => { port1.close(); resolve(); };
      port2.postMessage(null);
    });
    this.since = performance.now();
    signal?.throwIfAborted();
  }
}

class FileModel {
  local = true;
  clamps = []; // units that are held at a value: {layer, unit, value}

  constructor({ metadata, tensors }) {
    this.about = JSON.parse(metadata.about);
    this.tensors = tensors;
    const { name, model: config, tokenizer, unit, corpus, records, facts, exact } = this.about;
    const { cell, hidden_size: hiddenSize, num_layers: numLayers } = config;
    this.facts = { name, unit, cell, hiddenSize, numLayers, corpus, exact, card: facts };
    this.tokenizer =
      tokenizer.kind === "byte" ? new ByteTokenizer(tokenizer) : new CharTokenizer(tokenizer);
    const { characters, end } = this.tokenizer;
    Object.assign(this, { characters, end, kind: records });
    this.network = new Network(config, tensors);
    this.place = this.beginning();
  }

  /** A place in a text: the ids so far, the state after them, the logits of the next. */
  beginning(clamps = this.clamps) {
    return { ids: [], state: this.network.start(), logits: null, clamps };
  }

  step(place, id) {
    if (id === this.tokenizer.endId) place.state = this.network.start();
    place.logits = this.network.read(id, place.state, place.clamps);
    place.ids.push(id);
  }

  /** The place after `ids`; an empty text starts as a line does. */
  async read(ids, place = this.beginning(), signal = undefined) {
    const breather = new Breather();
    for (const id of ids.length || place.ids.length ? ids : [this.lineStart]) {
      this.step(place, id);
      if (breather.due) {
        place.logits = place.logits.slice(); // others may use the network meanwhile
        await breather.rest(signal);
      }
    }
    place.logits = place.logits.slice();
    return place;
  }

  get lineStart() {
    const { endId, ids } = this.tokenizer;
    return endId ?? (ids ? ids.get("\n") ?? ids.get(" ") ?? 0 : "\n".charCodeAt(0));
  }

  /** The ids of a text to go on from; of records, those of the last. */
  idsBefore(text) {
    const ids = this.tokenizer.encode(recordsOf(text, this).at(-1));
    return this.end === null ? ids : [this.tokenizer.endId, ...ids];
  }

  /** The place after a text. One that goes on from the text before is read from there. */
  async placeAfter(text) {
    const ids = this.idsBefore(text);
    const { ids: known, clamps } = this.place;
    const goesOn = clamps === this.clamps && known.every((id, k) => id === ids[k]);
    const from = goesOn ? this.place : this.beginning();
    const place = { ...from, ids: from.ids.slice(), state: copyOf(from.state) };
    this.place = await this.read(ids.slice(known.length * goesOn), place);
    return this.place;
  }

  /** The likeliest next characters after a text: [{text, probability}], the likeliest first. The end
      of a record is an empty text. */
  async next(text, count = 8) {
    const { logits } = await this.placeAfter(text);
    const total = logSumExp(logits);
    const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
    return order.slice(0, count).map((id) => {
      return { text: this.tokenizer.decoder()([id], true), probability: exp(logits[id] - total) };
    });
  }

  /** The surprisal of each token of some ids but the first, in nats. */
  async surprisals(ids, clamps = this.clamps) {
    const found = [], breather = new Breather(), place = this.beginning(clamps);
    for (let k = 0; k < ids.length - 1; k++) {
      this.step(place, ids[k]);
      found.push(logSumExp(place.logits) - place.logits[ids[k + 1]]);
      if (breather.due) await breather.rest();
    }
    return found;
  }

  /** What each character of a text costs: [{text, nats}]; the first costs null: nothing precedes. Of
      records, each is read from the start, and what ends it has its cost, too. */
  async score(text) {
    const { end, tokenizer } = this, found = [];
    const around = end === null ? [] : [tokenizer.endId];
    for (const record of recordsOf(text, this)) {
      const known = tokenizer.inKnownForm(end === null ? record : withoutLineEnds(record));
      const nats = await this.surprisals([...around, ...tokenizer.encode(known), ...around]);
      if (end === null) nats.unshift(null);
      let at = 0;
      for (const character of known) {
        const count = tokenizer.encode(character).length; // more than one in a byte model
        const parts = nats.slice(at, (at += count));
        found.push({ text: character, nats: parts.reduce((total, part) => total + part) });
      }
      if (end !== null) found.push({ text: end, nats: known ? nats.at(-1) : null }); // lists have no empty ones
    }
    if (end !== null) found.at(-1).text = ""; // what ended the last is not in the text
    return found;
  }

  /** New text after a prompt, piece by piece; of records, what is left of one. Its last character is
      written whole, beyond the length if need be. A seed draws the same text in every browser. */
  async *generate({
    prompt = "", length = 500, temperature = 0.8, topK = 0, topP = 1, seed = 0, stop = [], signal,
  } = {}) {
    const random = randomNumbers(seed), breather = new Breather();
    const ending = new Ending(stop.map((one) => this.tokenizer.inKnownForm(one)));
    const decode = this.tokenizer.decoder();
    const place = await this.read(this.idsBefore(prompt), this.beginning(), signal);
    const room = new Length(length, prompt);
    let waiting = "";
    while (room.open && !ending.ended) {
      const id = draw(drawingWeights(place.logits, { temperature, topK, topP }), random());
      if (id === this.tokenizer.endId) break;
      const text = decode([id]);
      if (!room.takes(text)) break;
      waiting += ending.feed(text);
      this.step(place, id);
      if (breather.due) {
        place.logits = place.logits.slice();
        if (waiting) yield waiting;
        waiting = "";
        await breather.rest(signal);
      }
    }
    if (!ending.ended) waiting += ending.feed("", true); // half of a character is not shown
    if (waiting) yield waiting;
  }

  /** Compares the log-probabilities of the text in the file with those that Python found. */
  async selfTest() {
    const { ids, log_probs: exact, log_probs_here: here } = Object.fromEntries(
      ["ids", "log_probs", "log_probs_here"].map((name) => [name, this.tensors[`test.${name}`].values]));
    const found = (await this.surprisals(ids, [])).map((nats) => -nats);
    const worst = Math.max(...found.map((value, k) => Math.abs(value - here[k])));
    const lost = found.reduce((sum, value, k) => sum + exact[k] - value, 0) / found.length;
    const change = `${Math.abs(lost).toFixed(4)} nats ${lost < 0 ? "less" : "more"}`;
    const passed = worst <= 1e-4 && Math.abs(lost) <= (this.about.exact ? 1e-4 : 0.01);
    const unit = this.facts.unit;
    const lines = [
      `${found.length} ${unit}s; each has the log-probability that Python found with the ` +
        `same weights, within ${worst.toExponential(1)} nats (allowed: 1e-4).`,
    ];
    if (!this.about.exact) {
      lines.push(`With the weights as bytes each ${unit} costs ${change} than with the exact ones, ` +
        "on average (allowed: 0.01).");
    }
    lines.push(this.network.products.inMachineCode
      ? "The products ran in WebAssembly." : "The products ran in JavaScript.");
    return { passed, lines };
  }

  /** The model folder, zipped. */
  async archive() {
    const { folder, files, weights_header: header } = this.about;
    const entries = Object.entries(files).map(([name, text]) =>
      [`${folder}/${name}`, new TextEncoder().encode(text)]);
    entries.push([`${folder}/model.safetensors`, weightsFile(header, this.tensors)]);
    return new Blob(zip(entries), { type: "application/zip" });
  }
}

/** The model of a page: see the text of the element, made by bundle.py. */
async function openModel(data) {
  return new FileModel(await unpack(data));
}
