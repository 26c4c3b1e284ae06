/* The model that is in this file: text in, text and probabilities out. */

// ---------- Text to token ids and back ----------

/* A model of records (names, poems, lines) has one more id, the last: the end of a record, which a
   text shows as `end`. Such a model reads an end, then one record, from the start. */

/** One id for each code point of `characters`. */
class CharTokenizer {
  constructor({ characters, end = null }) {
    this.characters = [...characters];
    this.end = end;
    this.endId = end === null ? null : this.characters.length;
    this.ids = new Map(this.characters.map((character, id) => [character, id]));
  }

  /** The ids of a text. Throws an error that names the characters it does not know. */
  encode(text) {
    const ids = Array.from(text, (character) => this.ids.get(character));
    if (ids.includes(undefined)) {
      const unknown = [...new Set(text)].filter((character) => !this.ids.has(character));
      throw new Error(`the model does not know ${named(unknown)}; leave that out`);
    }
    return ids;
  }

  /** A function from the next ids to text. */
  decoder() {
    return (ids) => ids.map((id) => this.characters[id] ?? "").join("");
  }
}

/** One id for each value of a byte of UTF-8. */
class ByteTokenizer {
  characters = null; // all are known

  constructor({ end = null }) {
    this.end = end;
    this.endId = end === null ? null : 256;
  }

  encode(text) {
    return Array.from(new TextEncoder().encode(text));
  }

  decoder() {
    const utf8 = new TextDecoder(); // bytes that are no UTF-8 become U+FFFD
    const bytes = (ids) => Uint8Array.from(ids.filter((id) => id < 256));
    return (ids, last = false) => utf8.decode(bytes(ids), { stream: !last });
  }
}

// ---------- Drawing, as in sampling/distribution.py ----------

/** Random numbers in [0, 1): sfc32, by Chris Doty-Humphrey (PractRand). */
function randomNumbers(seed) {
  let [a, b, c, counter] = [0, seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, 1];
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let k = 0; k < 12; k++) next(); // until the seed has mixed
  return next;
}

/** What logits (V,) become before a draw: weights that are probabilities up to a factor. */
function drawingWeights(logits, { temperature = 0.8, topK = 0, topP = 1 }) {
  if (temperature === 0) {
    const likeliest = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
    return Float64Array.from(logits, (_, id) => Number(id === likeliest));
  }
  let scaled = Float64Array.from(logits, (logit) => logit / temperature);
  const falling = topK || topP < 1 ? scaled.slice().sort().reverse() : scaled;
  if (topK && topK < scaled.length) {
    const least = falling[topK - 1]; // what ties with the last of them stays
    scaled = scaled.map((logit) => (logit < least ? -Infinity : logit));
  }
  const most = scaled.reduce((a, b) => Math.max(a, b));
  const weights = scaled.map((logit) => exp(logit - most));
  if (topP >= 1) return weights;
  // The likeliest, until together they reach the probability.
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || b - a);
  let left = topP * weights.reduce((sum, weight) => sum + weight, 0);
  const kept = new Float64Array(weights.length);
  for (const id of order) {
    kept[id] = weights[id];
    left -= weights[id];
    if (left <= 0) break;
  }
  return kept;
}

function draw(weights, uniform) {
  const target = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0, last = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    sum += weights[id];
    last = id;
    if (sum > target) break;
  }
  return last;
}

/** A text that arrives in pieces, up to the first of the texts to stop at. */
class Ending {
  constructor(stop) {
    this.stop = stop.filter((text) => text);
    this.longest = Math.max(1, ...this.stop.map((text) => text.length));
    this.held = "";
    this.ended = false;
  }

  /** What may be shown now: all but what could be the beginning of a text to stop at. */
  feed(piece, last = false) {
    this.held += piece;
    const found = this.stop.map((text) => this.held.indexOf(text)).filter((at) => at >= 0);
    this.ended = found.length > 0;
    let open = last ? this.held.length : Math.max(0, this.held.length - this.longest + 1);
    if (/[\ud800-\udbff]/.test(this.held[open - 1])) open--; // half of a character
    const end = this.ended ? Math.min(...found) : open;
    const shown = this.held.slice(0, end);
    this.held = this.held.slice(end);
    return shown;
  }
}

// ---------- The model ----------

/** Lets the browser draw and hear clicks, after each few milliseconds of work. */
class Breather {
  static WORK = 20; // milliseconds; fifty times a second is often enough for the eye

  constructor() {
    this.since = performance.now();
  }

  get due() {
    return performance.now() - this.since > Breather.WORK;
  }

  async rest() {
    // A timer would wait for at least four milliseconds.
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => { port1.close(); resolve(); };
      port2.postMessage(null);
    });
    this.since = performance.now();
  }
}

class FileModel {
  local = true;
  clamps = []; // units that are held at a value: {layer, unit, value}

  constructor({ metadata, tensors }) {
    this.about = JSON.parse(metadata.about);
    this.tensors = tensors;
    const { name, model: config, tokenizer, unit, corpus, facts, exact } = this.about;
    const { cell, hidden_size: hiddenSize, num_layers: numLayers } = config;
    this.facts = { name, unit, cell, hiddenSize, numLayers, corpus, exact, card: facts };
    this.tokenizer =
      tokenizer.kind === "byte" ? new ByteTokenizer(tokenizer) : new CharTokenizer(tokenizer);
    const { characters, end } = this.tokenizer;
    this.characters = characters && [...characters, ...(end ?? "")];
    this.network = new Network(config, tensors);
    this.place = this.beginning();
  }

  /** A place in a text: the ids so far, the state after them, the logits of the next. */
  beginning() {
    return { ids: [], state: this.network.start(), logits: null, clamps: this.clamps };
  }

  step(place, id) {
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
        await breather.rest();
        signal?.throwIfAborted();
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
    const { end, endId } = this.tokenizer;
    if (end === null) return this.tokenizer.encode(text);
    return [endId, ...this.tokenizer.encode(text.split(end).at(-1))];
  }

  /** The place after a text. One that goes on from the text before is read from there. */
  async placeAfter(text) {
    const ids = this.idsBefore(text);
    const { ids: known, clamps } = this.place;
    const goesOn = known.length && known.length <= ids.length &&
      clamps === this.clamps && known.every((id, k) => id === ids[k]);
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
  async surprisals(ids, signal) {
    const found = [], breather = new Breather();
    const place = this.beginning();
    for (let k = 0; k < ids.length - 1; k++) {
      this.step(place, ids[k]);
      found.push(logSumExp(place.logits) - place.logits[ids[k + 1]]);
      if (breather.due) {
        await breather.rest();
        signal?.throwIfAborted();
      }
    }
    return found;
  }

  /** What each character of a text costs: [{text, nats}]; the first costs null: nothing precedes. Of
      records, each is read from the start, and what ends it has its cost, too. */
  async score(text, signal) {
    const { end, endId } = this.tokenizer;
    if (end === null) {
      const nats = await this.surprisals(this.tokenizer.encode(text), signal);
      return this.byCharacter(text, [null, ...nats]);
    }
    const found = [];
    for (const record of text.split(end)) {
      const ids = [endId, ...this.tokenizer.encode(record), endId];
      const nats = await this.surprisals(ids, signal);
      found.push(...this.byCharacter(record, nats), { text: end, nats: nats.at(-1) });
    }
    found.at(-1).text = ""; // what ended the last is not in the text
    return found;
  }

  byCharacter(text, nats) {
    let at = 0;
    return Array.from(text, (character) => {
      const count = this.tokenizer.encode(character).length; // more than one in a byte model
      const parts = nats.slice(at, (at += count));
      const sum = parts.reduce((total, part) => total + (part ?? 0), 0);
      return { text: character, nats: parts.length === 1 ? parts[0] : sum };
    });
  }

  /** New text after a prompt, piece by piece; of records, what is left of one. A seed draws the same
      text in every browser. */
  async *generate({
    prompt = "", length = 500, temperature = 0.8, topK = 0, topP = 1, seed = 0, stop = [], signal,
  } = {}) {
    const random = randomNumbers(seed), ending = new Ending(stop), breather = new Breather();
    const decode = this.tokenizer.decoder();
    const place = await this.read(this.idsBefore(prompt), this.beginning(), signal);
    let waiting = "";
    for (let count = 0; count < length && !ending.ended; count++) {
      const id = draw(drawingWeights(place.logits, { temperature, topK, topP }), random());
      if (id === this.tokenizer.endId) break;
      waiting += ending.feed(decode([id]));
      this.step(place, id);
      if (breather.due) {
        place.logits = place.logits.slice();
        if (waiting) yield waiting;
        waiting = "";
        await breather.rest();
        signal?.throwIfAborted();
      }
    }
    if (!ending.ended) waiting += ending.feed(decode([], true), true);
    if (waiting) yield waiting;
  }

  /** Compares the log-probabilities of the text in the file with those that Python found. */
  async selfTest() {
    const { ids, log_probs: exact, log_probs_here: here } = Object.fromEntries(
      ["ids", "log_probs", "log_probs_here"].map((name) => [name, this.tensors[`test.${name}`].values]));
    const { clamps } = this;
    this.clamps = [];
    const found = (await this.surprisals(ids)).map((nats) => -nats);
    this.clamps = clamps;
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

  /** The model folder, as a .zip that `charrnn` can use once it is unpacked. */
  async archive() {
    const { name: folder, files, weights_header: header } = this.about;
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

// ---------- The model folder, given back ----------

/** `model.safetensors`: the header that Python wrote, and the fp32 weights where it says. */
function weightsFile(header, tensors) {
  const head = new TextEncoder().encode(header);
  const { __metadata__: _, ...entries } = JSON.parse(header);
  const ends = Object.values(entries).map((entry) => entry.data_offsets[1]);
  const file = new Uint8Array(8 + head.length + Math.max(...ends));
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  for (const [name, { data_offsets: [begin] }] of Object.entries(entries)) {
    file.set(new Uint8Array(floats(tensors, name).buffer), 8 + head.length + begin);
  }
  return file;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

function crc32(bytes) {
  let rest = ~0;
  for (const byte of bytes) rest = CRC_TABLE[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** The parts of a .zip with these files, [name, bytes], stored as they are. */
function zip(entries) {
  const numbers = (...fields) => { // [bytes, value, bytes, value, …], little-endian
    const bytes = [];
    for (let k = 0; k < fields.length; k += 2) {
      for (let b = 0; b < fields[k]; b++) bytes.push(Math.floor(fields[k + 1] / 256 ** b) % 256);
    }
    return Uint8Array.from(bytes);
  };
  const UTF8_NAMES = 0x800, FIRST_OF_JANUARY_1980 = 0x21;
  const parts = [], directory = [];
  let at = 0;
  const put = (list, ...chunks) => {
    list.push(...chunks);
    return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  };
  for (const [name, bytes] of entries) {
    const encoded = new TextEncoder().encode(name);
    const described = numbers(
      2, 20, 2, UTF8_NAMES, 2, 0, 2, 0, 2, FIRST_OF_JANUARY_1980,
      4, crc32(bytes), 4, bytes.length, 4, bytes.length, 2, encoded.length, 2, 0);
    put(directory, numbers(4, 0x02014b50, 2, 20), described, numbers(2, 0, 2, 0, 2, 0, 4, 0, 4, at), encoded);
    at += put(parts, numbers(4, 0x04034b50), described, encoded, bytes);
  }
  const size = put(parts, ...directory);
  const count = entries.length;
  put(parts, numbers(4, 0x06054b50, 2, 0, 2, 0, 2, count, 2, count, 4, size, 4, at, 2, 0));
  return parts;
}
