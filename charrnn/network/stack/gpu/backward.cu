// The backward pass; see `layer.cu`.

// What the forward pass left of this thread's elements of a chunk, and the derivatives with respect
// to them.
struct Left {
  BFloat d_out[ROUNDS], kept[ROUNDS][KEPT + 1], before[ROUNDS], after[ROUNDS];
  float memory_before[ROUNDS], memory_after[ROUNDS];
};

DEVICE void read_left(Left &left, const Own &own, size_t row, size_t per_step,
                      const BFloat *d_out, const BFloat *hs, const float *memory,
                      const BFloat *kept) {
#pragma unroll
  for (int r = 0; r < ROUNDS; r++) {
    const int e = thread_number() + r * THREADS;
    if (e >= ELEMENTS) break;
    const int unit = own.first_unit + e % UNITS;
    const size_t lane = row + e / UNITS, at = lane * HIDDEN + unit;
    left.d_out[r] = d_out[at];
#pragma unroll
    for (int k = 0; k < KEPT; k++) left.kept[r][k] = kept[(lane * KEPT + k) * HIDDEN + unit];
    if (STATES > MEMORY) {
      left.before[r] = hs[at];
      left.after[r] = hs[at + per_step];
    }
    if (MEMORY) {
      left.memory_before[r] = memory[at];
      left.memory_after[r] = memory[at + per_step];
    }
  }
}

// The derivatives before a step, of element r of this thread's. `memory` is that with respect
// to its memory, and `by_product` what the product leads to; those with respect to the gates go to
// the place `to` of dxs and dhs.
DEVICE void apply_rule(float (&totals)[TOTALS], const Left &left, int r, float &memory,
                       float by_product, size_t to, BFloat *dxs, BFloat *dhs) {
  float values[KEPT + 1], before[STATES], after[STATES], d_after[STATES], d_before[STATES];
  float by_x[GATES], by_h[GATES];
#pragma unroll
  for (int k = 0; k < KEPT; k++) values[k] = widened(left.kept[r][k]);
  before[0] = STATES > MEMORY ? widened(left.before[r]) : 0.0f;
  after[0] = STATES > MEMORY ? widened(left.after[r]) : 0.0f;
  d_after[0] = widened(left.d_out[r]) + by_product;
  if (MEMORY) {
    before[STATES - 1] = left.memory_before[r];
    after[STATES - 1] = left.memory_after[r];
    d_after[STATES - 1] = STATES > 1 ? memory : d_after[0] + memory;
  }
  backward_rule(values, before, after, d_after, by_x, by_h, d_before);
#pragma unroll
  for (int g = 0; g < GATES; g++) publish_pair(dhs + to + g * HIDDEN, by_h[g]);
#pragma unroll
  for (int g = 0; g < GATES; g++) {
    totals[g] += by_x[g];
    if (SPLIT) totals[TOTALS - GATES + g] += by_h[g];
  }
  if (MEMORY) memory = d_before[STATES - 1];
  if (SPLIT)
#pragma unroll
    for (int g = 0; g < GATES; g++) write_pair(dxs + to + g * HIDDEN, by_x[g]);
}

// The sums of all threads' totals for each unit, to rows of this block's lanes (·, GATES · HIDDEN).
DEVICE void store_totals(const float (&totals)[TOTALS], const Own &own, float *d_rows,
                         float *db_hh) {
  wait_for_block();
  float *all = (float *)own.sums;  // (TOTALS, THREADS)
#pragma unroll
  for (int g = 0; g < TOTALS; g++) all[g * THREADS + thread_number()] = totals[g];
  wait_for_block();
  for (int i = thread_number(); i < TOTALS * UNITS; i += THREADS) {
    float total = 0.0f;
    for (int j = i % UNITS; j < THREADS; j += UNITS) total += all[i / UNITS * THREADS + j];
    float *to = i < GATES * UNITS ? d_rows : db_hh;
    to[(size_t)(own.first_lane / LANES * GATES + i / UNITS % GATES) * HIDDEN + own.first_unit +
       i % UNITS] = total;
  }
}

KERNEL layer(int steps, int batch, const float *weights, const BFloat *d_out, const BFloat *hs,
             const float *memory, const BFloat *kept, BFloat *dxs, BFloat *dhs, float *d_h,
             float *d_memory, float *d_rows, float *db_hh) {
  const Own own = own_part_of_all();
  const size_t per_step = (size_t)batch * HIDDEN;
  unsigned a[NEAR][2][TILES][4];
  Words words[SLOTS][TOGETHER];
  load_weights(a, own.held, weights, own.first_unit);
  if (MEMORY) load_memory(own, d_memory);

  float totals[TOTALS] = {};  // of the derivatives of this thread's unit
  int turn = 0;
  for (int t = steps; t >= 0; t--)  // the product leads to before step t, the rule to before t - 1
    for (int begin = 0; begin < LANES; begin += CHUNK, turn ^= 1) {
      const size_t row = (size_t)(t - 1) * batch + own.first_lane + begin;
      Left left;
      if (t > 0) read_left(left, own, row, per_step, d_out, hs, memory, kept);
      Sums *sums = own.sums + turn * WARPS * SUMS_OF_WARP;
      if (t < steps) {
        const BFloat *chunk = dhs + (row + batch) * INNER, *next_chunk = chunk;
        if (begin + CHUNK < LANES)
          next_chunk += CHUNK * INNER;
        else if (t > 0)
          next_chunk -= (size_t)(batch + LANES - CHUNK) * INNER;
        if (LANES == CHUNK || (t == steps - 1 && begin == 0)) read_first(words, chunk);
        multiply(sums, a, own.held, words, chunk, next_chunk, false);
        wait_for_block();
      }
#pragma unroll
      for (int r = 0; r < ROUNDS; r++) {
        const int e = thread_number() + r * THREADS;
        if (e >= ELEMENTS) break;
        const int unit = e % UNITS, lane = e / UNITS;
        const size_t at = (size_t)(own.first_lane + begin + lane) * HIDDEN + own.first_unit + unit;
        const float by_product = t < steps ? added(sums, unit, lane).of[0] : d_h[at];
        if (t == 0) {
          d_h[at] = by_product;
          if (MEMORY) d_memory[at] = own.memory[begin * UNITS + e];
          continue;
        }
        const size_t to = (row + lane) * INNER + own.first_unit + unit;
        apply_rule(totals, left, r, own.memory[begin * UNITS + e], by_product, to, dxs, dhs);
      }
    }
  store_totals(totals, own, d_rows, db_hh);
}
