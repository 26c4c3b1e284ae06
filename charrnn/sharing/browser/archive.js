/* The model folder, given back: a .zip that charrnn can use once it is unpacked. */

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
