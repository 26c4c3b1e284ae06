// What layer.cu takes from a GPU, on one thread of a CPU.
//
// Each thread of the GPU is a context of its own, which runs until it waits for others: for its
// warp, for its block, or for what another block publishes. Then another one goes on, drawn at
// random, or the same warp as far as it gets: so a place where waiting was forgotten shows.
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#define EMULATED
#define DEVICE static inline

typedef uint16_t BFloat;
constexpr int MAX_READINGS = 1 << 13;

struct alignas(16) Words {
  unsigned at[4];
};

struct Warp {
  int arrived = 0, turn = 0;
  bool any[2] = {false, false};
  float values[2][32];
  unsigned words[2][32][6];
};

struct Block {
  int arrived = 0, turn = 0, threads;
  std::vector<char> memory;
  std::vector<Warp> warps;
};

struct Thread {
  ucontext_t first;  // where it begins; between turns it is in `place`: a jump needs no system call
  jmp_buf place;
  std::vector<char> stack;
  Block *block;
  int number, block_number;
  bool begun = false, done = false;
};

static Thread *self;
static jmp_buf scheduler;
static long useless;  // switches since something last happened

static void give_way() {
  if (!_setjmp(self->place)) _longjmp(scheduler, 1);
}

static void go_on(Thread &thread) {
  self = &thread;
  if (_setjmp(scheduler)) return;
  if (thread.begun) _longjmp(thread.place, 1);
  thread.begun = true;
  setcontext(&thread.first);
}

static void fail() {
  std::fprintf(stderr, "nothing happens any more\n");
  std::abort();
}
static int thread_number() { return self->number; }
static int block_number() { return self->block_number; }
static char *shared_memory() { return self->block->memory.data(); }

template <class Group>
static void meet(Group &group, int size) {
  const int turn = group.turn;
  useless = 0;
  if (++group.arrived == size) {
    group.arrived = 0;
    group.turn++;
  } else {
    while (group.turn == turn) give_way();
  }
}

static void wait_for_block() { meet(*self->block, self->block->threads); }

static Warp &own_warp() { return self->block->warps[self->number / 32]; }

static bool any_in_warp(bool value) {
  Warp &warp = own_warp();
  const int turn = warp.turn % 2;
  if (warp.arrived == 0) warp.any[turn] = false;
  warp.any[turn] |= value;
  meet(warp, 32);
  return warp.any[turn];
}

static float of_neighbour(float value) {
  Warp &warp = own_warp();
  const int turn = warp.turn % 2;
  warp.values[turn][self->number % 32] = value;
  meet(warp, 32);
  return warp.values[turn][self->number % 32 ^ 1];
}

// Each word by itself, as on a GPU: others may write between two of them.
static Words read_published(const BFloat *from) {
  Words w;
  if (reinterpret_cast<uintptr_t>(from) % 16) fail();
  std::memcpy(w.at, from, 16);
  for (unsigned word : w.at)
    if (word == 0xFFFFFFFFu) {
      give_way();
      break;
    }
  return w;
}

static void publish(BFloat *to, unsigned word) {
  if (reinterpret_cast<uintptr_t>(to) % 4) fail();
  std::memcpy(to, &word, 4);
  useless = 0;
}

static unsigned bits_of(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

static float of_bits(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

static unsigned rounded(float value) {
  if (std::isnan(value)) return 0x7FFF;
  const unsigned bits = bits_of(value);
  return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

static unsigned packed(float low, float high) { return rounded(low) | rounded(high) << 16; }
static float widened(BFloat bits) { return of_bits((unsigned)bits << 16); }

// The operands' places are those of the PTX manual, "Matrix fragments for mma.m16n8k16".
static void multiply_tile(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  Warp &warp = own_warp();
  const int turn = warp.turn % 2, lane = self->number % 32;
  unsigned *own = warp.words[turn][lane];
  std::memcpy(own, a, sizeof(a));
  own[4] = b0;
  own[5] = b1;
  meet(warp, 32);
  auto &words = warp.words[turn];
  for (int c = 0; c < 4; c++) {
    const int row = lane / 4 + c / 2 * 8, column = lane % 4 * 2 + c % 2;
    for (int k = 0; k < 16; k++) {
      const int place = k % 8 / 2, high = k / 8, shift = 16 * (k % 2);
      const unsigned x = words[row % 8 * 4 + place][high * 2 + row / 8] >> shift;
      const unsigned y = words[column * 4 + place][4 + high] >> shift;
      sum[c] += widened((BFloat)x) * widened((BFloat)y);
    }
  }
}

static float power_of_two(float x) { return std::exp2(x); }
static float inverse(float x) { return 1.0f / x; }

#define KERNEL extern "C" void
template <class... Arguments>
static void emulate(void (*kernel)(Arguments...), int blocks, int threads, int shared_bytes,
                    unsigned seed, Arguments... arguments) {
  static void (*body)();
  auto call = [=] { kernel(arguments...); };
  static decltype(call) *running;
  running = &call;
  body = [] {
    (*running)();
    self->done = true;
    useless = 0;
    give_way();
  };
  std::vector<Block> all(blocks);
  std::vector<Thread> fibers(blocks * threads);
  for (int b = 0; b < blocks; b++) {
    all[b].threads = threads;
    all[b].memory.assign(shared_bytes, (char)0x5A);
    all[b].warps.resize(threads / 32);
    for (int i = 0; i < threads; i++) {
      Thread &t = fibers[b * threads + i];
      t.block = &all[b];
      t.number = i;
      t.block_number = b;
      t.stack.resize(1 << 16);
      getcontext(&t.first);
      t.first.uc_stack.ss_sp = t.stack.data();
      t.first.uc_stack.ss_size = t.stack.size();
      makecontext(&t.first, body, 0);
    }
  }
  // A turn is a warp's, and as many times as are drawn.
  const int warps = blocks * threads / 32;
  std::vector<int> open(warps);
  for (int w = 0; w < warps; w++) open[w] = w;
  while (!open.empty()) {
    seed = seed * 1664525u + 1013904223u;
    const int place = (seed >> 8) % open.size(), w = open[place];
    bool done = true;
    for (int times = 1 << (seed >> 24) % 8; times > 0; times--) {
      done = true;
      for (int i = 32 * w; i < 32 * w + 32; i++) {
        if (fibers[i].done) continue;
        go_on(fibers[i]);
        done = done && fibers[i].done;
      }
      if (done || ++useless > 1000000) break;
    }
    if (useless > 1000000) fail();
    if (done) {
      open[place] = open.back();
      open.pop_back();
    }
  }
}

template <class... Pointers, size_t... Places>
static void emulate_at(void (*kernel)(int, int, Pointers...), int blocks, int threads,
                       int shared_bytes, unsigned seed, int steps, int batch, void **arguments,
                       std::index_sequence<Places...>) {
  emulate(kernel, blocks, threads, shared_bytes, seed, steps, batch,
          (Pointers)arguments[Places]...);
}

template <class... Pointers>
static void emulate_with(void (*kernel)(int, int, Pointers...), int blocks, int threads,
                         int shared_bytes, unsigned seed, int steps, int batch, void **arguments) {
  emulate_at(kernel, blocks, threads, shared_bytes, seed, steps, batch, arguments,
             std::index_sequence_for<Pointers...>());
}
