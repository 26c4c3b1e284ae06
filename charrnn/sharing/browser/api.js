/* A model on the server that the page came from. With a key, the page is opened as /#key=KEY. */

const AT_ONCE = 8; // requests
const LONGEST = 2000; // characters before the next one that are sent: more than a model remembers
const FIELDS = { prompt: "the beginning of the text", text: "the text", max_tokens: "the length" };

class ServedModel {
  constructor({ id, unit, cell, hidden_size, num_layers, corpus, characters, records, end, max_length }) {
    this.local = false;
    this.longest = max_length;
    this.kind = records;
    this.end = end; // of a record, or null
    this.characters = characters;
    this.facts = {
      name: id, unit, cell, hiddenSize: hidden_size, numLayers: num_layers, corpus: corpus ?? "", exact: true,
    };
  }

  /** The text to go on from; of records, the last. */
  before(text) {
    return recordsOf(text, this).at(-1);
  }

  async next(text, count) {
    const prompt = [...this.before(text)].slice(-Math.min(LONGEST, this.longest)).join("");
    const answer = await ask("v1/completions", { model: this.facts.name, prompt, max_tokens: 1, logprobs: count });
    const [likeliest] = (await answer.json()).choices[0].logprobs.top_logprobs;
    return Object.entries(likeliest)
      .map(([token, nats]) => {
        const text = token.startsWith("bytes:") ? "\ufffd" : token; // part of a character
        return { text, probability: Math.exp(nats) };
      })
      .sort((a, b) => b.probability - a.probability);
  }

  /** What each character of a text costs. Of records, each is read from the start, and what ends it has
      its cost, too. */
  async score(text) {
    const found = [], split = recordsOf(text, this);
    const records = this.end === null ? split : split.map(withoutLineEnds);
    const bodies = records.filter((record) => record).map((text) => ({ model: this.facts.name, text }));
    const answers = (await askEach("v1/score", bodies)).values();
    for (const record of records) {
      if (!record) {
        found.push({ text: this.end ?? "", nats: null });
        continue;
      }
      const { characters, nats } = answers.next().value;
      // Nothing predicts the first token, and only a character of several bytes has others.
      const free = this.facts.unit !== "byte" || new TextEncoder().encode(characters[0]).length === 1;
      characters.forEach((text, k) => {
        if (!k && this.end !== null) return; // what the record is read after
        found.push({ text, nats: k || !free ? nats[k] : null });
      });
    }
    if (this.end !== null) found.at(-1).text = ""; // what ended the last is not in the text
    return found;
  }

  async *generate({ prompt, length, temperature, topK, topP, seed, stop, signal }) {
    const body = { model: this.facts.name, prompt: this.before(prompt), max_tokens: length, temperature, top_p: topP, seed, stop };
    if (topK) body.top_k = topK;
    const answer = await ask("v1/completions", { ...body, stream: true }, signal);
    for await (const event of events(answer.body)) {
      if (event === "[DONE]") return;
      const { choices, error } = JSON.parse(event);
      if (error) throw new Error(error.message);
      yield choices[0].text;
    }
    cut();
  }
}

function cut(error) {
  if (error?.name === "AbortError") throw error;
  throw new Error("the server stopped before the text was whole; try again");
}

/** The data of server-sent events. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (let part; !(part = await reader.read().catch(cut)).done;) {
      const parts = (held + part.value).split("\n\n");
      held = parts.pop();
      for (const event of parts) yield event.replace(/^data: /, "");
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have been cut
  }
}

/** The key of /#key=KEY as it stands there, but %XX is one sign: browsers write some so by themselves. */
function keyOf(hash) {
  if (!hash.startsWith("#key=")) return null;
  const sign = (escape) => String.fromCharCode(parseInt(escape.slice(1), 16));
  return hash.slice("#key=".length).replace(/%[0-9a-f]{2}/gi, sign);
}

addEventListener("hashchange", () => location.reload()); // to a page that was open already

async function ask(path, body, signal) {
  const key = keyOf(location.hash);
  const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const { message, param } = (await answer.json()).error;
  const named = param in FIELDS ? message.replace(`${param}: `, `${FIELDS[param]}: `) : message;
  const said = answer.status === 401 ? `${message}; open this page as /#key=KEY` : named;
  throw Object.assign(new Error(said), { status: answer.status });
}

/** The answers to several requests, in order. Some are asked at once, but no more than the server has
    places for. */
async function askEach(path, bodies) {
  const answers = [], left = [...bodies.entries()];
  let asking = 0;
  const work = async () => {
    for (let next; (next = left.shift());) {
      const alone = ++asking === 1, [at, body] = next;
      try {
        answers[at] = await (await ask(path, body)).json();
      } catch (error) {
        if (error.status !== 429 || alone) {
          left.length = 0; // nobody waits for the others
          throw error;
        }
        left.unshift(next);
        if (asking > 1) return; // another goes on
      } finally {
        asking--;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return answers;
}

/** The models that are served. While they are being loaded, `waiting` is told so, and they are asked for again. */
async function served(waiting) {
  for (;;) {
    try {
      return (await (await ask("v1/models")).json()).data;
    } catch (error) {
      if (error.status !== 503) throw error;
      waiting(`Waiting for the server: ${error.message}…`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

async function openModel(_data, waiting = () => {}) {
  const models = await served(waiting);
  const wanted = new URLSearchParams(location.search).get("model");
  const found = wanted === null ? models[0] : models.find((model) => model.id === wanted);
  if (found) return new ServedModel(found);
  const there = models.map((model) => model.id).join(", ");
  throw new Error(`there is no model ${JSON.stringify(wanted)}; choose from ${there}`);
}
