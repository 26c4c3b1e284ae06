/* Text to token ids and back, as in text/tokenizer.py. */

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

  /** The text in the form that the model knows best; says once if that is another. */
  inKnownForm(text) {
    const { form, text: found } = knownForm(text, this.ids);
    if (form && !this.told) console.warn(formNote(form));
    this.told ||= form !== "";
    return found;
  }

  /** The ids of a text. Throws an error that names the characters it does not know. */
  encode(text) {
    const found = this.inKnownForm(text);
    const unknown = [...new Set(found)].filter((character) => !this.ids.has(character));
    if (unknown.length) throw new Error(`the model does not know ${named(unknown)}; leave that out`);
    return Array.from(found, (character) => this.ids.get(character));
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

  /** Bytes can write every form. */
  inKnownForm(text) {
    return text;
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
