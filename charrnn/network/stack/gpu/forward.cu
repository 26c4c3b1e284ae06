// The forward pass; see `layer.cu`.

DEVICE void load_biases(const Own &own, const float *b_ih, const float *b_hh) {
  for (int i = thread_number(); i < GATES * UNITS; i += THREADS) {
    const int from = i / UNITS * HIDDEN + own.first_unit + i % UNITS;
    own.biases[i] = b_ih[from];
    own.biases[GATES * UNITS + i] = b_hh[from];
  }
}

// The input product of this thread's elements of a chunk, which begins with a row (of T·B).
DEVICE void read_inputs(BFloat (&inputs)[ROUNDS][GATES], const Own &own, size_t row,
                        const BFloat *gx) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const int e = thread_number() + r * THREADS;
    if (e >= ELEMENTS) break;
    const BFloat *from = gx + (row + e / UNITS) * (GATES * HIDDEN) + own.first_unit + e % UNITS;
#pragma unroll
    for (int g = 0; g < GATES; g++) inputs[r][g] = from[g * HIDDEN];
  }
}

// The state after a step, of this thread's elements of a chunk whose product is in `sums`.
DEVICE void apply_rule(const BFloat (&inputs)[ROUNDS][GATES], const Own &own, const Sums *sums,
                       int begin, size_t row, size_t per_step, BFloat *hs, float *memory,
                       BFloat *kept) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const int e = thread_number() + r * THREADS;
    if (e >= ELEMENTS) break;
    const int unit = e % UNITS, lane = e / UNITS;
    const Sums product = added(sums, unit, lane);
    float xs[GATES], products[GATES], before[STATES], after[STATES], values[KEPT + 1];
#pragma unroll
    for (int g = 0; g < GATES; g++) {
      xs[g] = widened(inputs[r][g]) + own.biases[g * UNITS + unit];
      products[g] = product.of[g] + own.biases[(GATES + g) * UNITS + unit];
    }
    if (MEMORY) before[STATES - 1] = own.memory[begin * UNITS + e];
    forward_rule(xs, products, before, values, after);
    const size_t to = (row + lane) * HIDDEN + own.first_unit + unit;
    publish_pair(hs + to + per_step, after[0]);
    if (MEMORY) {
      own.memory[begin * UNITS + e] = after[STATES - 1];
      memory[to + per_step] = after[STATES - 1];
    }
#pragma unroll
    for (int k = 0; k < KEPT; k++)
      write_pair(kept + ((row + lane) * KEPT + k) * HIDDEN + own.first_unit + unit, values[k]);
  }
}

KERNEL layer(int steps, int batch, const float *weights, const float *b_ih, const float *b_hh,
             const BFloat *gx, BFloat *hs, float *memory, BFloat *kept) {
  const Own own = own_part_of_all();
  const size_t per_step = (size_t)batch * HIDDEN;
  unsigned a[NEAR][2][TILES][4];
  Words words[SLOTS][TOGETHER];
  load_weights(a, own.held, weights, own.first_unit);
  load_biases(own, b_ih, b_hh);
  if (MEMORY) load_memory(own, memory);
  wait_for_block();

  int turn = 0;
  for (int t = 0; t < steps; t++)
    for (int begin = 0; begin < LANES; begin += CHUNK, turn ^= 1) {
      const size_t row = (size_t)t * batch + own.first_lane + begin;  // of the chunk's first lane
      BFloat inputs[ROUNDS][GATES];  // what needs them comes late, lest a warp waits for them here
      read_inputs(inputs, own, row, gx);
      Sums *sums = own.sums + turn * WARPS * SUMS_OF_WARP;
      const BFloat *chunk = hs + row * HIDDEN;
      const int further = begin + CHUNK < LANES ? CHUNK : CHUNK - LANES + batch;
      if (LANES == CHUNK || (t == 0 && begin == 0)) read_first(words, chunk);
      multiply(sums, a, own.held, words, chunk, chunk + (size_t)further * HIDDEN, t == 0);
      wait_for_block();  // once is enough: no sums stand where those of the turn before did
      apply_rule(inputs, own, sums, begin, row, per_step, hs, memory, kept);
    }
}
