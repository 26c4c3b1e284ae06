// A recurrent layer over all steps in one kernel; its recurrent weights stay in registers, or those
// of the last HELD spans in shared memory. Here is what both ways share; one of `forward.cu` and
// `backward.cu` follows.
//
// Diamos et al., "Persistent RNNs: stashing recurrent weights on-chip", 2016.
//
// Lanes are independent, and so are groups of LANES of them. A group is served by HIDDEN / UNITS
// blocks, each of which owns UNITS units. In each step a block multiplies its rows of the weights
// by what all blocks of its group made in the step before, applies the rule, and publishes its
// part. No barrier holds blocks together: what they publish is its own signal. It goes to memory
// that was filled with ones before, which as a pair of bfloat16 is no result, and who reads a word
// of ones reads again.
//
// In a block, the warps divide the inner dimension of the product among them, so that none waits
// for numbers that it does not need; their sums are added in shared memory.
//
// Constants, see `source.defines`: BACK (0 forward, 1 backward), GATES, KEPT, MEMORY, SPLIT and
// STATES of the cell's rule, HIDDEN, UNITS, LANES, CHUNK (lanes that are computed together), WARPS,
// SPAN (of the inner dimension, read together), HELD, SHARED_BYTES. `forward_rule` or
// `backward_rule` comes to where RULE stands. Shapes are those of `Engine`.

// ---------------------------------------------------------------------------- the machine
// Tests replace this part, to run the rest on a CPU.
#ifndef EMULATED
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void __launch_bounds__(32 * WARPS, 1)

typedef unsigned short BFloat;  // the bits of a bfloat16
constexpr int MAX_READINGS = 1 << 22;  // readings, some seconds, after which something is broken

struct alignas(16) Words {
  unsigned at[4];
};

DEVICE int thread_number() { return threadIdx.x; }
DEVICE int block_number() { return blockIdx.x; }
DEVICE void wait_for_block() { __syncthreads(); }
DEVICE bool any_in_warp(bool value) { return __any_sync(~0u, value); }
DEVICE float of_neighbour(float value) { return __shfl_xor_sync(~0u, value, 1); }
DEVICE void fail() { __trap(); }

DEVICE char *shared_memory() {
  extern __shared__ __align__(16) char memory[];
  return memory;
}

// Of each word there is one order of values for the whole GPU; L1 caches are passed by.
DEVICE Words read_published(const BFloat *from) {
  Words w;
  asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(w.at[0]), "=r"(w.at[1]), "=r"(w.at[2]), "=r"(w.at[3])
               : "l"(from)
               : "memory");
  return w;
}

DEVICE void publish(BFloat *to, unsigned word) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(to), "r"(word) : "memory");
}

// Two bfloat16 in a word, the first in its low half; what is not a number becomes 0x7FFF.
DEVICE unsigned packed(float low, float high) {
  unsigned word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

DEVICE float widened(BFloat bits) { return __uint_as_float((unsigned)bits << 16); }

// sum (16 × 8) += a (16 × 16) · b (16 × 8)
DEVICE void multiply_tile(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

DEVICE float power_of_two(float x) {
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(x) : "f"(x));
  return x;
}

DEVICE float inverse(float x) {
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(x) : "f"(x));
  return x;
}
#endif

// ------------------------------------------------------------------------------ the rule
// In forms that can't overflow; the absolute error is a few times 1e-7.
DEVICE float sigmoid_of(float x) { return inverse(1.0f + power_of_two(-1.442695041f * x)); }
DEVICE float tanh_of(float x) {
  return 1.0f - 2.0f * inverse(1.0f + power_of_two(2.885390082f * x));
}

RULE

// ------------------------------------------------------------------------- the dimensions
constexpr int THREADS = 32 * WARPS;
constexpr int INNER = BACK ? GATES * HIDDEN : HIDDEN;  // of the product
constexpr int SUMS = BACK ? 1 : GATES;                 // rows of the product for each unit
constexpr int SPANS = (INNER / SPAN + WARPS - 1) / WARPS;  // of a warp, at most
constexpr int NEAR = SPANS - HELD;                         // whose weights are in registers
constexpr int UNIT_TILES = UNITS / 16;
constexpr int TILES = UNIT_TILES * SUMS;  // of 16 rows
constexpr int LANE_TILES = CHUNK / 8;
constexpr int ELEMENTS = UNITS * CHUNK;
// What a thread reads of a chunk comes in waves. Where they are many, one is on its way while the
// one before is multiplied; the first of the next chunk are, while the rule is applied to this one.
constexpr int READS = LANE_TILES * SPANS;
constexpr int TOGETHER = READS <= 8 ? READS : 4;
constexpr int SLOTS = READS <= 8 ? 1 : 2;  // for waves that are under way
constexpr int WAVES = (READS + SLOTS * TOGETHER - 1) / (SLOTS * TOGETHER) * SLOTS;
// A tile's product waits for the one before that adds to the same sum: where a warp has few sums,
// it makes parts of them.
constexpr int PARTS = TILES * LANE_TILES >= 3 ? 1 : 4 / (TILES * LANE_TILES);
constexpr unsigned NOTHING_YET = 0xFFFFFFFFu;

// The sums of one unit in one lane. Those of a 16 × 8 tile stand in four areas, with gaps by which
// neither writing nor reading them meets a bank twice.
constexpr int PLACES = SUMS == 3 ? 4 : SUMS;
struct alignas(4 * PLACES) Sums {
  float of[PLACES];
};
constexpr int COLUMN = PLACES == 4 ? 10 : 8, AREAS = 4, AREA = 40;
constexpr int SUMS_OF_WARP = LANE_TILES * UNIT_TILES * AREAS * AREA;

DEVICE bool missing(const Words &w) {
  return w.at[0] == NOTHING_YET || w.at[1] == NOTHING_YET || w.at[2] == NOTHING_YET ||
         w.at[3] == NOTHING_YET;
}

// Where among a tile's sums those of a unit (of 16) in a lane (of 8) stand.
DEVICE int place_of_sums(int unit, int lane) {
  return (unit / 8 * 2 + lane % 2) * AREA + lane / 2 * COLUMN + unit % 8;
}

// Where a thread's weights of a tile are, of a span from NEAR on.
DEVICE Words *held_weights(Words *held, int span, int half, int tile) {
  return held + (((span - NEAR) * 2 + half) * TILES + tile) * THREADS + thread_number();
}

// A thread's part of the weights, as operands of tiles. Which numbers of a span count as which
// columns of its two tiles is free, as long as both operands agree: here each thread has eight in
// a row, so that it reads 16 bytes at once.
DEVICE void load_weights(unsigned (&a)[NEAR][2][TILES][4], Words *held, const float *weights,
                         int first_unit) {
  const int warp = thread_number() / 32, row = thread_number() % 32 / 4;
  const int begin = thread_number() % 4 * 8;
#pragma unroll
  for (int s = 0; s < SPANS; s++)
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int tile = 0; tile < TILES; tile++) {
        Words own;
#pragma unroll
        for (int r = 0; r < 4; r++) {
          const int span = warp + s * WARPS;
          const int k = span * SPAN + begin + half * 4 + r / 2 * 2;
          const int unit = first_unit + tile / SUMS * 16 + r % 2 * 8 + row;
          float low = 0.0f, high = 0.0f;
          if (span < INNER / SPAN) {
            const size_t at = BACK ? (size_t)k * HIDDEN + unit
                                   : (size_t)(tile % SUMS * HIDDEN + unit) * HIDDEN + k;
            low = weights[at];
            high = weights[at + (BACK ? HIDDEN : 1)];
          }
          own.at[r] = packed(low, high);
        }
        if (s >= NEAR) *held_weights(held, s, half, tile) = own;
#pragma unroll
        for (int r = 0; r < 4 && s < NEAR; r++) a[s < NEAR ? s : 0][half][tile][r] = own.at[r];
      }
}

// Whether this warp has a span of this number.
DEVICE bool has(int span) {
  return (span + 1) * WARPS <= INNER / SPAN || thread_number() / 32 + span * WARPS < INNER / SPAN;
}

// Where this thread begins to read a chunk (CHUNK, INNER).
DEVICE const BFloat *own_part(const BFloat *chunk) {
  const int warp = thread_number() / 32, row = thread_number() % 32 / 4;
  return chunk + (size_t)row * INNER + warp * SPAN + thread_number() % 4 * 8;
}

DEVICE void read_wave(Words (&words)[TOGETHER], int wave, const BFloat *chunk) {
  const BFloat *from = own_part(chunk);
#pragma unroll
  for (int i = 0; i < TOGETHER; i++) {
    const int s = (wave * TOGETHER + i) / LANE_TILES, n = (wave * TOGETHER + i) % LANE_TILES;
    words[i] = Words{};
    if (s < SPANS && has(s))
      words[i] = read_published(from + (size_t)n * 8 * INNER + s * WARPS * SPAN);
  }
}

DEVICE void read_again(Words (&words)[TOGETHER], int wave, const BFloat *chunk) {
  const BFloat *from = own_part(chunk);
#pragma unroll
  for (int i = 0; i < TOGETHER; i++) {
    const int s = (wave * TOGETHER + i) / LANE_TILES, n = (wave * TOGETHER + i) % LANE_TILES;
    if (missing(words[i]))
      words[i] = read_published(from + (size_t)n * 8 * INNER + s * WARPS * SPAN);
  }
}

DEVICE void read_first(Words (&words)[SLOTS][TOGETHER], const BFloat *chunk) {
#pragma unroll
  for (int slot = 0; slot < SLOTS; slot++) read_wave(words[slot], slot, chunk);
}

// Read a wave again until all of it is published.
DEVICE void wait_for_wave(Words (&words)[TOGETHER], int wave, const BFloat *chunk) {
  for (int readings = 0;; readings++) {
    bool wait = false;
#pragma unroll
    for (int i = 0; i < TOGETHER; i++) wait = wait || missing(words[i]);
    if (!any_in_warp(wait)) break;
    if (readings == MAX_READINGS) fail();
    read_again(words, wave, chunk);
  }
}

// What a warp adds up of a chunk: parts of the sums of each tile of its product.
typedef float WarpSums[PARTS][LANE_TILES][TILES][4];

DEVICE void multiply_wave(WarpSums &sum, const unsigned (&a)[NEAR][2][TILES][4], Words *held,
                          const Words (&words)[TOGETHER], int wave) {
#pragma unroll
  for (int i = 0; i < TOGETHER; i++) {
    const int s = (wave * TOGETHER + i) / LANE_TILES, n = (wave * TOGETHER + i) % LANE_TILES;
    if (s < SPANS)
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
          const unsigned low = words[i].at[2 * half], high = words[i].at[2 * half + 1];
          float(&to)[4] = sum[(2 * s + half) % PARTS][n][tile];
          if (s < NEAR)
            multiply_tile(to, a[s < NEAR ? s : 0][half][tile], low, high);
          else
            multiply_tile(to, held_weights(held, s, half, tile)->at, low, high);
        }
  }
}

DEVICE void store_sums(Sums *sums, const WarpSums &sum) {
  const int warp = thread_number() / 32, row = thread_number() % 32 / 4;
  const int column = thread_number() % 4;
#pragma unroll
  for (int n = 0; n < LANE_TILES; n++)
#pragma unroll
    for (int unit_tile = 0; unit_tile < UNIT_TILES; unit_tile++)
#pragma unroll
      for (int k = 0; k < 4; k++) {
        Sums own;
#pragma unroll
        for (int j = 0; j < PLACES; j++) {
          own.of[j] = 0.0f;
#pragma unroll
          for (int part = 0; part < PARTS && j < SUMS; part++)
            own.of[j] += sum[part][n][unit_tile * SUMS + (j < SUMS ? j : 0)][k];
        }
        sums[warp * SUMS_OF_WARP + (n * UNIT_TILES + unit_tile) * AREAS * AREA + k * AREA +
             column * COLUMN + row] = own;
      }
}

// A warp's part of the product of the weights and a chunk of lanes, to shared memory. The chunk's
// first waves have been asked for; those of the next one will be, if there are several in a step.
DEVICE void multiply(Sums *sums, const unsigned (&a)[NEAR][2][TILES][4], Words *held,
                     Words (&words)[SLOTS][TOGETHER], const BFloat *chunk,
                     const BFloat *next_chunk, bool published) {
  WarpSums sum;
#pragma unroll
  for (int part = 0; part < PARTS; part++)
#pragma unroll
    for (int n = 0; n < LANE_TILES; n++)
#pragma unroll
      for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int k = 0; k < 4; k++) sum[part][n][tile][k] = 0.0f;
#pragma unroll
  for (int wave = 0; wave < WAVES; wave++) {
    Words(&here)[TOGETHER] = words[wave % SLOTS];
    if (!published) wait_for_wave(here, wave, chunk);
    multiply_wave(sum, a, held, here, wave);
    if (wave + SLOTS < WAVES)
      read_wave(here, wave + SLOTS, chunk);
    else if (LANES > CHUNK)
      read_wave(here, wave + SLOTS - WAVES, next_chunk);
  }
  store_sums(sums, sum);
}

// The sums of all warps for a unit in a lane of the chunk.
DEVICE Sums added(const Sums *sums, int unit, int lane) {
  sums += (lane / 8 * UNIT_TILES + unit / 16) * AREAS * AREA + place_of_sums(unit % 16, lane % 8);
  Sums all = sums[0];
#pragma unroll
  for (int warp = 1; warp < WARPS; warp++) {
    const Sums more = sums[warp * SUMS_OF_WARP];
#pragma unroll
    for (int j = 0; j < SUMS; j++) all.of[j] += more.of[j];
  }
  return all;
}

// Two threads write a pair of neighbouring units' numbers as one word.
DEVICE void write_pair(BFloat *to, float own) {
  const float other = of_neighbour(own);
  if (thread_number() % 2 == 0) *(unsigned *)to = packed(own, other);
}

DEVICE void publish_pair(BFloat *to, float own) {
  const float other = of_neighbour(own);
  if (thread_number() % 2 == 0) publish(to, packed(own, other));
}

// ---------------------------------------------------------------------------- the kernels
// A thread applies the rule to ROUNDS elements of a chunk: units beside each other are those of
// threads beside each other. Its memory, or the derivative with respect to it, stays in shared
// memory.
constexpr int ROUNDS = (ELEMENTS + THREADS - 1) / THREADS;
constexpr int BIASES = BACK ? 0 : 2 * GATES * UNITS;
constexpr int WEIGHTS_HELD = HELD * 2 * TILES * THREADS;  // Words
constexpr int SHARED = 2 * WARPS * SUMS_OF_WARP * (int)sizeof(Sums) + 16 * WEIGHTS_HELD +
                       4 * (MEMORY * LANES * UNITS + BIASES);
static_assert(SHARED == SHARED_BYTES, "the host counts otherwise");
constexpr int TOTALS = (1 + SPLIT) * GATES;
static_assert(TOTALS * THREADS * 4 <= 2 * WARPS * SUMS_OF_WARP * (int)sizeof(Sums) || !BACK,
              "there is no room for them");
static_assert(NEAR > 0, "a warp has weights of its own");
static_assert(THREADS % UNITS == 0, "a thread's elements are of one unit");
static_assert(ELEMENTS % 32 == 0, "a warp has work or none");
static_assert(LANES % CHUNK == 0 && CHUNK % 8 == 0 && UNITS % 16 == 0 && HIDDEN % UNITS == 0 &&
              INNER % SPAN == 0, "these don't fit");

// What a block owns: its part of shared memory, and its units and lanes.
struct Own {
  Words *held;    // weights, of spans from NEAR on
  Sums *sums;     // of two turns: (2, WARPS, SUMS_OF_WARP)
  float *memory;  // (LANES, UNITS)
  float *biases;  // (2, GATES, UNITS), in the forward pass
  int first_unit, first_lane;
};

DEVICE Own own_part_of_all() {
  Own own;
  own.held = (Words *)shared_memory();
  own.sums = (Sums *)(own.held + WEIGHTS_HELD);
  own.memory = (float *)(own.sums + 2 * WARPS * SUMS_OF_WARP);
  own.biases = own.memory + MEMORY * LANES * UNITS;
  own.first_unit = block_number() % (HIDDEN / UNITS) * UNITS;
  own.first_lane = block_number() / (HIDDEN / UNITS) * LANES;
  return own;
}

// A block's memory, of that of all (B, HIDDEN).
DEVICE void load_memory(const Own &own, const float *all) {
  for (int begin = 0; begin < LANES; begin += CHUNK)
    for (int e = thread_number(); e < ELEMENTS; e += THREADS)
      own.memory[begin * UNITS + e] =
          all[(size_t)(own.first_lane + begin + e / UNITS) * HIDDEN + own.first_unit + e % UNITS];
}
