// The way back; see `layer.cu`.
KERNEL layer(int steps, int batch, const float *weights, const Half *d_out, const Half *hs,
             const float *memory, const Half *kept, Half *dxs, Half *dhs, float *d_h,
             float *d_memory, float *d_rows, float *db_hh) {
  Words *held = (Words *)shared_memory();
  Sums *sums = (Sums *)(held + WEIGHTS_HELD);
  float *own_memory = (float *)(sums + 2 * WARPS * SUMS_OF_WARP);
  const int first_unit = block_number() % (HIDDEN / UNITS) * UNITS;
  const int first_lane = block_number() / (HIDDEN / UNITS) * LANES;
  const size_t next = (size_t)batch * HIDDEN;
  unsigned a[NEAR][2][TILES][4];
  Words words[SLOTS][TOGETHER];
  load_weights(a, held, weights, first_unit);
  if (MEMORY)
    for (int begin = 0; begin < LANES; begin += CHUNK)
      for (int e = thread_number(); e < ELEMENTS; e += THREADS)
        own_memory[begin * UNITS + e] =
            d_memory[(size_t)(first_lane + begin + e / UNITS) * HIDDEN + first_unit + e % UNITS];

  float totals[TOTALS] = {};  // of the derivatives of this thread's unit
  int turn = 0;
  for (int t = steps; t >= 0; t--)  // the product leads to before step t, the rule to before t - 1
    for (int begin = 0; begin < LANES; begin += CHUNK, turn ^= 1) {
      const size_t row = (size_t)(t - 1) * batch + first_lane + begin;
      Half slopes[ROUNDS], read[ROUNDS][KEPT + 1], old[ROUNDS], young[ROUNDS];
      float old_memory[ROUNDS], young_memory[ROUNDS];
      if (t > 0)
#pragma unroll
        for (int r = 0; r < ROUNDS; r++) {
          const int e = thread_number() + r * THREADS;
          if (e >= ELEMENTS) break;
          const int unit = first_unit + e % UNITS;
          const size_t lane = row + e / UNITS, at = lane * HIDDEN + unit;
          slopes[r] = d_out[at];
#pragma unroll
          for (int k = 0; k < KEPT; k++) read[r][k] = kept[(lane * KEPT + k) * HIDDEN + unit];
          if (STATES > MEMORY) {
            old[r] = hs[at];
            young[r] = hs[at + next];
          }
          if (MEMORY) {
            old_memory[r] = memory[at];
            young_memory[r] = memory[at + next];
          }
        }
      Sums *here = sums + turn * WARPS * SUMS_OF_WARP;
      if (t < steps) {
        const Half *chunk = dhs + (row + batch) * INNER, *next = chunk;
        if (begin + CHUNK < LANES)
          next += CHUNK * INNER;
        else if (t > 0)
          next -= (size_t)(batch + LANES - CHUNK) * INNER;
        if (LANES == CHUNK || (t == steps - 1 && begin == 0)) read_first(words, chunk);
        multiply(here, a, held, words, chunk, next, false);
        wait_for_block();
      }
#pragma unroll
      for (int r = 0; r < ROUNDS; r++) {
        const int e = thread_number() + r * THREADS;
        if (e >= ELEMENTS) break;
        const int unit = e % UNITS, lane = e / UNITS;
        const size_t first = (size_t)(first_lane + begin + lane) * HIDDEN + first_unit + unit;
        float values[KEPT + 1], before[STATES], after[STATES], d_after[STATES], d_before[STATES];
        float by_x[GATES], by_h[GATES];
        const float product = t < steps ? added(here, unit, lane).of[0] : d_h[first];
        if (t == 0) {
          d_h[first] = product;
          if (MEMORY) d_memory[first] = own_memory[begin * UNITS + e];
          continue;
        }
#pragma unroll
        for (int k = 0; k < KEPT; k++) values[k] = widened(read[r][k]);
        before[0] = STATES > MEMORY ? widened(old[r]) : 0.0f;
        after[0] = STATES > MEMORY ? widened(young[r]) : 0.0f;
        if (MEMORY) {
          before[STATES - 1] = old_memory[r];
          after[STATES - 1] = young_memory[r];
        }
        d_after[0] = widened(slopes[r]) + product;
        if (MEMORY) {
          const float past = own_memory[begin * UNITS + e];
          d_after[STATES - 1] = STATES > 1 ? past : d_after[0] + past;
        }
        backward_rule(values, before, after, d_after, by_x, by_h, d_before);
        const size_t to = (row + lane) * INNER + first_unit + unit;
#pragma unroll
        for (int g = 0; g < GATES; g++) publish_pair(dhs + to + g * HIDDEN, by_h[g]);
#pragma unroll
        for (int g = 0; g < GATES; g++) {
          totals[g] += by_x[g];
          if (SPLIT) totals[TOTALS - GATES + g] += by_h[g];
        }
        if (MEMORY) own_memory[begin * UNITS + e] = d_before[STATES - 1];
        if (SPLIT)
#pragma unroll
          for (int g = 0; g < GATES; g++) write_pair(dxs + to + g * HIDDEN, by_x[g]);
      }
    }

  wait_for_block();
  float *all = (float *)sums;  // (TOTALS, THREADS)
#pragma unroll
  for (int g = 0; g < TOTALS; g++) all[g * THREADS + thread_number()] = totals[g];
  wait_for_block();
  for (int i = thread_number(); i < TOTALS * UNITS; i += THREADS) {
    float total = 0.0f;
    for (int j = i % UNITS; j < THREADS; j += UNITS) total += all[i / UNITS * THREADS + j];
    float *to = i < GATES * UNITS ? d_rows : db_hh;
    to[(size_t)(first_lane / LANES * GATES + i / UNITS % GATES) * HIDDEN + first_unit +
       i % UNITS] = total;
  }
}
