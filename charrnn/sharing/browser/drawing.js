/* Logits to the next token, as in sampling/drawing/distribution.py, and where a text ends. */

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
    const likeliest = logits.indexOf(Math.max(...logits));
    return Float64Array.from(logits, (_, id) => Number(id === likeliest));
  }
  let scaled = Float64Array.from(logits, (logit) => logit / temperature);
  if (topK && topK < scaled.length) {
    const least = scaled.slice().sort().at(-topK); // what ties with the last of them stays
    scaled = scaled.map((logit) => (logit < least ? -Infinity : logit));
  }
  const most = Math.max(...scaled);
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

// Knows what readers see as one character, though it may be several: a flag, a family emoji. Where a
// browser has no such thing (Firefox before 2024), each code point is taken for one.
const segmenter = globalThis.Intl?.Segmenter && new Intl.Segmenter("und", { granularity: "grapheme" });

/** Whether `piece` goes on with the character that `before` ends with. */
function joins(before, piece) {
  if (!before || !segmenter || (piece[0] === "\n" && !before.endsWith("\r"))) return false;
  const at = before.length;
  return !Array.from(segmenter.segment(before + piece)).some(({ index }) => index === at);
}

/** How many tokens a text has: so many, and as many more as its last character needs to be whole. As in
    sampling/growing.py. */
class Length {
  static MAX_OVER = 64;
  static CONTEXT = 128; // of the text before, which tells what joins

  constructor(length, prompt) {
    this.left = length;
    this.last = prompt.slice(-Length.CONTEXT);
    this.begun = false; // whether the length ends in the middle of a code point's bytes
    this.open = length > 0;
  }

  /** Whether the next token, of this text, still belongs to it. */
  takes(piece) {
    const within = --this.left >= 0;
    if (!within && !this.begun && piece && !joins(this.last, piece)) return false;
    this.begun = (within || this.begun) && piece === "";
    this.last = (this.last + piece).slice(-Length.CONTEXT);
    this.open = this.left > -Length.MAX_OVER;
    return true;
  }
}
