/* What characters are called. */

/** A code point as Unicode writes it: U+03A9. */
const codePoint = (character) =>
  `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** Some characters, so that nobody can mistake them: "Ω" (U+03A9), "\\u0000" (U+0000). */
function named(characters) {
  const names = characters.slice(0, 20).map((c) => `${JSON.stringify(c)} (${codePoint(c)})`);
  const more = characters.length - names.length;
  return names.join(", ") + (more ? ` and ${more} more` : "");
}
