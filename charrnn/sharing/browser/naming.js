/* What characters are called, and in which form they are known. */

/** A code point as Unicode writes it: U+03A9. */
const codePoint = (character) =>
  `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** Some characters, so that nobody can mistake them: "Ω" (U+03A9), "\\u0000" (U+0000). */
function named(characters) {
  const names = characters.slice(0, 20).map((c) => `${JSON.stringify(c)} (${codePoint(c)})`);
  const more = characters.length - names.length;
  return names.join(", ") + (more ? ` and ${more} more` : "");
}

/** The normal form of Unicode to take a text in, empty for its own, and the text in it: the one that
    leaves fewest of its characters unknown. As in text/tokenizer.py. */
function knownForm(text, known) {
  const unknownOf = (one) => new Set([...one].filter((character) => !known.has(character)));
  let found = { form: "", text }, unknown = unknownOf(text);
  for (const form of unknown.size ? ["NFC", "NFD"] : []) {
    const other = text.normalize(form), left = unknownOf(other);
    if (left.size >= unknown.size || ![...left].every((character) => unknown.has(character))) continue;
    [found, unknown] = [{ form, text: other }, left];
  }
  return found;
}

/** What is said of texts in other forms. */
const formNote = (forms) =>
  `The text is read in another form, since the model knows its characters only in the normal form ${forms} of Unicode.`;

/** The records of a text, of a kind and with an end as text/division.py names them. A document, whose blank
    lines are its own, is one; so is a story, whose end is null. */
function recordsOf(text, { characters, end, kind }) {
  if (!characters?.includes("\r")) text = text.replace(/\r\n?/g, "\n"); // as in training
  const opening = kind.slice(1);
  if (kind[0] === "^") return text.split(`\n${opening}`).map((part, k) => (k ? opening + part : part));
  const blank = kind === "documents" ? undefined : /\n(?:[ \t]*\n)+/;
  return text.split(end === "\n\n" ? blank : end ?? undefined);
}

const withoutLineEnds = (record) => record.replace(/^\n+|\n+$/g, "");
