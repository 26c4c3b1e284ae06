/* The network: a token and a state in, logits and the next state out.

   All arithmetic is what IEEE 754 prescribes to the last bit: sums in a fixed order, and exponentials
   from them. So a seed draws the same text in every browser, with WebAssembly and without. */

// ---------- The data: base 85 → inflate → one .safetensors file ----------

const DIGITS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

/** The bytes of a text in base 85: four of them from five digits, the last from as many as needed. */
function fromBase85(text) {
  const values = new Uint8Array(128);
  [...DIGITS].forEach((digit, value) => { values[digit.charCodeAt(0)] = value; });
  const bytes = new DataView(new ArrayBuffer(4 * Math.ceil(text.length / 5)));
  for (let at = 0, k = 0; k < text.length; at += 4, k += 5) {
    let word = 0;
    for (let j = k; j < k + 5; j++) word = word * 85 + (j < text.length ? values[text.charCodeAt(j)] : 84);
    bytes.setUint32(at, word);
  }
  return new Uint8Array(bytes.buffer, 0, Math.floor(text.length * 4 / 5));
}

async function unpack(text) {
  const inflating = new Blob([fromBase85(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return readSafetensors(await new Response(inflating).arrayBuffer());
}

const ARRAYS = { I8: Int8Array, U8: Uint8Array, I32: Int32Array, F32: Float32Array };

function readSafetensors(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const { __metadata__: metadata, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(entries)) {
    // A copy, for a view of floats must begin at a multiple of four bytes.
    tensors[name] = { shape, values: new ARRAYS[dtype](buffer.slice(8 + size + begin, 8 + size + end)) };
  }
  return { metadata, tensors };
}

/** The fp32 values of a tensor: those that travelled, or bytes times the scale of their row. */
function floats(tensors, name) {
  const { shape, values } = tensors[name];
  if (values instanceof Float32Array) return values;
  const scales = tensors[`${name}.scale`].values;
  const width = shape[1];
  return Float32Array.from(values, (byte, place) => byte * scales[Math.trunc(place / width)]);
}

// ---------- Exponentials from sums and products ----------

const LN2 = 0.6931471805599453;
const POWERS_OF_TWO = new Float64Array(2047).fill(1); // of the exponents −1023 … 1023
for (let k = 1; k < 1024; k++) {
  POWERS_OF_TWO[1023 + k] = POWERS_OF_TWO[1022 + k] * 2;
  POWERS_OF_TWO[1023 - k] = POWERS_OF_TWO[1024 - k] / 2;
}

/** eˣ to about eleven digits: a power of two times a polynomial on ±½ ln 2 (Cody and Waite, 1980). */
function exp(x) {
  if (x < -700) return 0;
  if (x > 700) return Infinity;
  const quotient = Math.floor(x * (1 / LN2) + 0.5);
  const r = x - quotient * LN2;
  let sum = 1 / 3628800; // 1 / 10!, then 1 / 9! and so on
  sum = sum * r + 1 / 362880;
  sum = sum * r + 1 / 40320;
  sum = sum * r + 1 / 5040;
  sum = sum * r + 1 / 720;
  sum = sum * r + 1 / 120;
  sum = sum * r + 1 / 24;
  sum = sum * r + 1 / 6;
  sum = sum * r + 1 / 2;
  sum = (sum * r + 1) * r + 1;
  return sum * POWERS_OF_TWO[1023 + quotient];
}

const sigmoid = (x) => 1 / (1 + exp(-x));
const tanh = (x) => 1 - 2 / (1 + exp(2 * x));

/** The logarithm of the sum of the exponentials of some logits. */
function logSumExp(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(logits.reduce((sum, logit) => sum + exp(logit - most), 0));
}

// ---------- A matrix times a vector ----------

/** What the WebAssembly of wasm.py does, to the bit. Places are in floats here. */
function multiplyInScript(memory, matrix, vector, out, rows, width) {
  const add = Math.fround;
  for (let row = 0; row < rows; row++, matrix += width) {
    let sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0; // one for each lane
    for (let k = 0; k < width; k += 4) {
      const at = matrix + k, piece = vector + k;
      sum0 = add(sum0 + add(memory[at] * memory[piece]));
      sum1 = add(sum1 + add(memory[at + 1] * memory[piece + 1]));
      sum2 = add(sum2 + add(memory[at + 2] * memory[piece + 2]));
      sum3 = add(sum3 + add(memory[at + 3] * memory[piece + 3]));
    }
    memory[out + row] = add(add(sum0 + sum1) + add(sum2 + sum3));
  }
}

const fours = (count) => Math.ceil(count / 4) * 4;

/** Memory for matrices and vectors, in fours of floats, and the product of two of them. */
class Products {
  constructor(floats, code) {
    const bytes = 4 * floats;
    let multiply = multiplyInScript;
    let buffer = null;
    try {
      const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
      const module = new WebAssembly.Module(code);
      const exported = new WebAssembly.Instance(module, { page: { memory } }).exports;
      multiply = (_, matrix, vector, out, rows, width) =>
        exported.multiply(4 * matrix, 4 * vector, 4 * out, rows, 4 * width);
      buffer = memory.buffer;
    } catch {
      // This browser has no WebAssembly with vectors, or the page may not compile it.
      buffer = new ArrayBuffer(bytes);
    }
    this.inMachineCode = multiply !== multiplyInScript;
    this.memory = new Float32Array(buffer);
    this.multiplyPlaces = multiply;
    this.used = 0;
  }

  take(count) {
    const at = this.used;
    this.used += count;
    return at;
  }

  /** A vector: a view that is filled up with zeros to a multiple of four. */
  vector(size) {
    const at = this.take(fours(size));
    return { at, values: this.memory.subarray(at, at + size) };
  }

  /** A matrix (rows, width) with rows of their own length; it is filled up with zeros. */
  matrix(values, rows) {
    const width = values.length / rows;
    const at = this.take(fours(rows) * fours(width));
    for (let row = 0; row < rows; row++) {
      this.memory.set(values.subarray(row * width, (row + 1) * width), at + row * fours(width));
    }
    return { at, rows: fours(rows), width: fours(width) };
  }

  multiply(matrix, vector, out) {
    this.multiplyPlaces(this.memory, matrix.at, vector.at, out.at, matrix.rows, matrix.width);
    return out.values;
  }
}

// ---------- The cells, as in cells/rules.py ----------

/* Each changes h, and c if it has one, from gx = x Wᵢᵀ + bᵢ and gh = h Wₕᵀ + bₕ. The gates' order is
   PyTorch's: i f g o, and r z n. */
const CELLS = {
  rnn: {
    gates: 1,
    combine(gx, gh, h) {
      for (let j = 0; j < h.length; j++) h[j] = tanh(gx[j] + gh[j]);
    },
  },
  lstm: {
    gates: 4,
    combine(gx, gh, h, c) {
      const H = h.length;
      for (let j = 0; j < H; j++) {
        const i = sigmoid(gx[j] + gh[j]);
        const f = sigmoid(gx[H + j] + gh[H + j]);
        const g = tanh(gx[2 * H + j] + gh[2 * H + j]);
        const o = sigmoid(gx[3 * H + j] + gh[3 * H + j]);
        c[j] = f * c[j] + i * g;
        h[j] = o * tanh(c[j]);
      }
    },
  },
  gru: {
    gates: 3,
    combine(gx, gh, h) {
      const H = h.length;
      for (let j = 0; j < H; j++) {
        const r = sigmoid(gx[j] + gh[j]);
        const z = sigmoid(gx[H + j] + gh[H + j]);
        const n = tanh(gx[2 * H + j] + r * gh[2 * H + j]);
        h[j] = n + z * (h[j] - n);
      }
    },
  },
};

// ---------- The network ----------

class Network {
  /** From the shape in `config.json` and the tensors of `readSafetensors`. */
  constructor(config, tensors) {
    const { cell, vocab_size: V, embed_size: E, hidden_size: H, num_layers: L } = config;
    const rows = CELLS[cell].gates * H;
    const inputs = Array.from({ length: L }, (_, k) => (k ? H : E));
    const sizes = inputs.map((width) => fours(rows) * (fours(width) + fours(H)));
    const vectors = fours(Math.max(E, H)) + fours(H) + 2 * fours(rows) + fours(V);
    const total = sizes.reduce((sum, size) => sum + size, fours(V) * fours(H) + vectors);
    const products = new Products(total, tensors.wasm.values);
    Object.assign(this, { products, cell: CELLS[cell], embedSize: E, hiddenSize: H });
    this.embedding = floats(tensors, "embedding.weight"); // (V, E)
    this.layers = inputs.map((width, k) => ({
      input: products.matrix(floats(tensors, `rnn.weight_ih_l${k}`), rows),
      recurrent: products.matrix(floats(tensors, `rnn.weight_hh_l${k}`), rows),
      inputBias: floats(tensors, `rnn.bias_ih_l${k}`),
      recurrentBias: floats(tensors, `rnn.bias_hh_l${k}`),
      skip: config.skip && width === H,
    }));
    this.head = products.matrix(floats(tensors, "head.weight"), V);
    this.headBias = floats(tensors, "head.bias");
    this.x = products.vector(Math.max(E, H));
    this.h = products.vector(H);
    this.gx = products.vector(rows);
    this.gh = products.vector(rows);
    this.logits = products.vector(V);
  }

  /** The state before any text: zeros, a vector h for each layer, and for an LSTM a vector c. */
  start() {
    const parts = this.cell === CELLS.lstm ? ["h", "c"] : ["h"];
    return this.layers.map(() =>
      Object.fromEntries(parts.map((part) => [part, new Float32Array(this.hiddenSize)])));
  }

  /** Read one token: changes `state`, and returns the logits of the next, until the next call.

      `clamps` are units that are held at a value: {layer, unit, value}. */
  read(id, state, clamps = []) {
    const { products, x, h, embedSize: E } = this;
    x.values.set(this.embedding.subarray(id * E, (id + 1) * E));
    this.layers.forEach((layer, k) => {
      x.values.fill(0, k ? this.hiddenSize : E);
      h.values.set(state[k].h);
      const gx = plus(products.multiply(layer.input, x, this.gx), layer.inputBias);
      const gh = plus(products.multiply(layer.recurrent, h, this.gh), layer.recurrentBias);
      this.cell.combine(gx, gh, state[k].h, state[k].c);
      for (const { layer: held, unit, value } of clamps) if (held === k) state[k].h[unit] = value;
      if (layer.skip) plus(x.values, state[k].h);
      else x.values.set(state[k].h);
    });
    x.values.fill(0, this.hiddenSize);
    return plus(products.multiply(this.head, x, this.logits), this.headBias);
  }
}

function plus(values, others) {
  for (let j = 0; j < others.length; j++) values[j] += others[j];
  return values;
}

function copyOf(state) {
  return state.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([part, values]) => [part, values.slice()])));
}
