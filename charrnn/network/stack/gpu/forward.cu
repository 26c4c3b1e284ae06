// The way forward; see `layer.cu`.
KERNEL layer(int steps, int batch, const float *weights, const float *b_ih, const float *b_hh,
             const Half *gx, Half *hs, float *memory, Half *kept) {
  Words *held = (Words *)shared_memory();
  Sums *sums = (Sums *)(held + WEIGHTS_HELD);
  float *own_memory = (float *)(sums + 2 * WARPS * SUMS_OF_WARP);
  float *biases = own_memory + MEMORY * LANES * UNITS;
  const int first_unit = block_number() % (HIDDEN / UNITS) * UNITS;
  const int first_lane = block_number() / (HIDDEN / UNITS) * LANES;
  unsigned a[NEAR][2][TILES][4];
  Words words[SLOTS][TOGETHER];
  load_weights(a, held, weights, first_unit);
  for (int i = thread_number(); i < GATES * UNITS; i += THREADS) {
    const int from = i / UNITS * HIDDEN + first_unit + i % UNITS;
    biases[i] = b_ih[from];
    biases[GATES * UNITS + i] = b_hh[from];
  }
  if (MEMORY)
    for (int begin = 0; begin < LANES; begin += CHUNK)
      for (int e = thread_number(); e < ELEMENTS; e += THREADS)
        own_memory[begin * UNITS + e] =
            memory[(size_t)(first_lane + begin + e / UNITS) * HIDDEN + first_unit + e % UNITS];
  wait_for_block();

  int turn = 0;
  for (int t = 0; t < steps; t++)
    for (int begin = 0; begin < LANES; begin += CHUNK, turn ^= 1) {
      const size_t row = (size_t)t * batch + first_lane + begin;  // of the chunk's first lane
      Half read[ROUNDS][GATES];  // what needs them comes late, lest a warp waits for them here
#pragma unroll
      for (int r = 0; r < ROUNDS; r++) {
        const int e = thread_number() + r * THREADS;
        if (e >= ELEMENTS) break;
        const Half *from = gx + (row + e / UNITS) * (GATES * HIDDEN) + first_unit + e % UNITS;
#pragma unroll
        for (int g = 0; g < GATES; g++) read[r][g] = from[g * HIDDEN];
      }
      Sums *here = sums + turn * WARPS * SUMS_OF_WARP;
      const Half *chunk = hs + row * HIDDEN;
      const int further = begin + CHUNK < LANES ? CHUNK : CHUNK - LANES + batch;
      if (LANES == CHUNK || (t == 0 && begin == 0)) read_first(words, chunk);
      multiply(here, a, held, words, chunk, chunk + (size_t)further * HIDDEN, t == 0);
      wait_for_block();  // once is enough: no sums stand where those of the turn before did
#pragma unroll
      for (int r = 0; r < ROUNDS; r++) {
        const int e = thread_number() + r * THREADS;
        if (e >= ELEMENTS) break;
        const int unit = e % UNITS, lane = e / UNITS;
        const Sums product = added(here, unit, lane);
        float xs[GATES], own[GATES], before[STATES], after[STATES], values[KEPT + 1];
#pragma unroll
        for (int g = 0; g < GATES; g++) {
          xs[g] = widened(read[r][g]) + biases[g * UNITS + unit];
          own[g] = product.of[g] + biases[(GATES + g) * UNITS + unit];
        }
        if (MEMORY) before[STATES - 1] = own_memory[begin * UNITS + e];
        forward_rule(xs, own, before, values, after);
        const size_t to = (row + lane) * HIDDEN + first_unit + unit, next = (size_t)batch * HIDDEN;
        publish_pair(hs + to + next, after[0]);
        if (MEMORY) {
          own_memory[begin * UNITS + e] = after[STATES - 1];
          memory[to + next] = after[STATES - 1];
        }
#pragma unroll
        for (int k = 0; k < KEPT; k++)
          write_pair(kept + ((row + lane) * KEPT + k) * HIDDEN + first_unit + unit, values[k]);
      }
    }
}
