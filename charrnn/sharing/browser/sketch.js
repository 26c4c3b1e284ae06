/* For sketches: `charRNN`, with the methods of ml5's CharRNN. Each returns a promise, and calls a
   callback (error, result) if there is one.

     const { sample } = await charRNN.generate({ seed: "It was", length: 200, temperature: 0.7 });

     await charRNN.feed("It was");
     const next = await charRNN.predict(0.7);   // { sample, probabilities: [{ char, probability }] }
     await charRNN.feed(next);
     await charRNN.reset();

   charRNN.ready is a promise of the model; nobody has to wait for it. */

/** A setting as a number; sketches may have it from a field, as text. */
function amount(name, value) {
  const number = typeof value === "string" && value.trim() ? Number(value) : value;
  if (typeof number === "number" && number >= 0) return number;
  const found = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw new Error(`${name} is ${found}; it must be a number that is not negative`);
}

/** Texts to stop at: one, or an array. */
function stopTexts(stop) {
  const texts = [stop].flat();
  if (texts.every((text) => typeof text === "string")) return texts;
  throw new Error("stop must be a text or an array of texts");
}

class CharRNN {
  constructor(data) {
    this.ready = openModel(data);
    this.ready.catch(() => {}); // whoever calls a method hears of it
    this.place = null;
    this.randomSeed(Math.floor(Math.random() * 2 ** 32));
  }

  /** From here on, draw the same texts as after the last call with this number. */
  randomSeed(seed) {
    const number = amount("the number", seed);
    if (!Number.isSafeInteger(number)) throw new Error(`the number is ${number}; it must be a whole one below 2 ** 53`);
    this.random = randomNumbers(number);
  }

  /** New text after `seed`, a text: { sample }. `onText` is called with each piece as it comes. */
  generate(settings = {}, callback = undefined) {
    if (typeof settings === "function") return this.generate({}, settings);
    const { random } = this; // what was seeded before this call, though its turn comes later
    return this.doing(callback, async (model) => {
      if (typeof settings !== "object" || settings === null) {
        throw new Error('generate needs settings, such as { seed: "It was", length: 200 }');
      }
      const { seed = "", onText = () => {}, ...others } = settings;
      if (typeof seed !== "string") throw new Error("seed must be a text");
      let sample = "";
      const drawing = { length: 20, temperature: 0.5, seed: Math.floor(random() * 2 ** 32) };
      const asked = { ...drawing, ...others, stop: stopTexts(others.stop ?? []), prompt: seed };
      for (const name of ["length", "temperature", "topK", "topP"]) {
        if (name in asked) asked[name] = amount(name, asked[name]);
      }
      for await (const piece of model.generate(asked)) {
        sample += piece;
        onText(piece);
      }
      return { sample };
    });
  }

  /** Read some text, after what was fed before; or what `predict` gave. Of records, where one ends in
      the text, the last is read from its start. */
  feed(text, callback = undefined) {
    return this.doing(callback, async (model) => {
      if (typeof text !== "string" && !Number.isInteger(text?.id)) {
        throw new Error("feed needs a text, or the whole result of predict");
      }
      if (typeof text !== "string") {
        this.place = await model.read([text.id], this.place ?? (await model.read([])));
        return;
      }
      const [first, ...others] = recordsOf(text, model);
      const begins = !this.place || others.length > 0;
      const ids = begins ? model.idsBefore(text) : model.tokenizer.encode(first);
      this.place = await model.read(ids, begins ? model.beginning() : this.place);
    });
  }

  /** The next character, drawn, and how likely each is; it is not fed. `feed` gets the whole
      result: in a byte model a character may take several draws, and a record's end has no sample. */
  predict(temperature = 0.5, callback = undefined) {
    if (typeof temperature === "function") return this.predict(undefined, temperature);
    const { random } = this;
    return this.doing(callback, async (model) => {
      const drawing = { temperature: amount("temperature", temperature) };
      const { logits } = this.place ?? (await model.read([])); // what begins, if nothing was fed
      const total = logSumExp(logits);
      const textOf = (id) => model.tokenizer.decoder()([id], true);
      const probabilities = Array.from(logits, (logit, id) => {
        return { char: textOf(id), probability: exp(logit - total) };
      });
      const id = draw(drawingWeights(logits, drawing), random());
      return { sample: textOf(id), id, probabilities };
    });
  }

  /** Forget what was fed. */
  reset(callback = undefined) {
    return this.doing(callback, async () => { this.place = null; });
  }

  /** One piece of work after the other, each with the model. */
  doing(callback, work) {
    const done = Promise.all([this.ready, this.before]).then(([model]) => work(model));
    this.before = done.catch(() => {});
    if (!callback) return done.then((result) => result); // one without the `catch`: an error is shown
    done.then((result) => callback(undefined, result), (error) => callback(error));
    return done;
  }
}

globalThis.charRNN = new CharRNN(MODEL);
