/* AMX for a processor without it: what its instructions do is done when they are refused.

An instruction that a processor does not know raises SIGILL. Here its handler decodes those of
AMX with bfloat16 and bytes, carries them out, and lets the program go on behind them. What the processor
would refuse is counted, with the reason: see `violation`. Each thread has tiles of its own.

Intel, "Intel 64 and IA-32 architectures software developer's manual", volume 2. */

#define _GNU_SOURCE
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { TILES = 8, ROWS = 16, BYTES = 64, DENORMALS_ARE_ZERO = 0x8040 };

typedef union {
    uint8_t bytes[BYTES];
    float floats[BYTES / 4];
    uint16_t halves[BYTES / 2];
    int8_t signed_bytes[BYTES];
    int32_t integers[BYTES / 4];
} Row;

static __thread struct {
    int configured;
    int rows[TILES], bytes[TILES];
    Row data[TILES][ROWS];
} tiles;

static struct sigaction before;
static const char *first_violation;
static long counts[3];
static uint8_t last_configuration[64];
static uint64_t ends[TILES][2];  /* of the memory that each tile was moved from or to */
static int wrong;  /* products are to come out wrong */

enum { CONFIGURED, RELEASED, MULTIPLIED };  /* of `counts` */

static void refuse(const char *reason)
{
    if (!first_violation) first_violation = reason;
}

static void configure(const uint8_t *from)
{
    uint16_t bytes[TILES];
    memcpy(bytes, from + 16, sizeof bytes);
    memcpy(last_configuration, from, sizeof last_configuration);
    if (from[0] != 1) return refuse("not palette 1");
    if (from[1] != 0) return refuse("a row to start at");
    for (int k = 2; k < 64; k++) {
        int reserved = k < 16 || (k >= 32 && k < 48) || k >= 56;
        if (reserved && from[k]) return refuse("a reserved byte is not zero");
    }
    for (int k = 0; k < TILES; k++) {
        if (bytes[k] > BYTES || from[48 + k] > ROWS) return refuse("a tile is too large");
        if (!bytes[k] != !from[48 + k]) return refuse("a tile has rows or columns alone");
    }
    memset(&tiles, 0, sizeof tiles);
    tiles.configured = 1;
    for (int k = 0; k < TILES; k++) {
        tiles.bytes[k] = bytes[k];
        tiles.rows[k] = from[48 + k];
    }
}

static int is_there(int tile)
{
    if (!tiles.configured) return refuse("tiles are not configured"), 0;
    if (!tiles.rows[tile]) return refuse("a tile is not configured"), 0;
    return 1;
}

static void move(int tile, uint8_t *memory, int64_t stride, int store)
{
    if (!is_there(tile)) return;
    if (!store) memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
    for (int row = 0; row < tiles.rows[tile]; row++, memory += stride) {
        uint8_t *data = tiles.data[tile][row].bytes;
        uint64_t begin = (uint64_t)memory, end = begin + tiles.bytes[tile];
        if (begin < ends[tile][0]) ends[tile][0] = begin;
        if (end > ends[tile][1]) ends[tile][1] = end;
        memcpy(store ? memory : data, store ? data : memory, tiles.bytes[tile]);
    }
}

static float widened(uint16_t half)
{
    uint32_t word = (uint32_t)half << 16;
    float number;
    memcpy(&number, &word, sizeof number);
    return number;
}

static int begin_product(int to, int left, int right)
{
    if (!is_there(to) || !is_there(left) || !is_there(right)) return 0;
    if (to == left || to == right || left == right) return refuse("a tile is given twice"), 0;
    if (tiles.rows[to] != tiles.rows[left] || tiles.rows[right] != tiles.bytes[left] / 4
        || tiles.bytes[to] != tiles.bytes[right])
        return refuse("tiles do not fit each other"), 0;
    __atomic_add_fetch(&counts[MULTIPLIED], 1, __ATOMIC_RELAXED);
    memset(tiles.data[to] + tiles.rows[to], 0, (ROWS - tiles.rows[to]) * sizeof(Row));
    return 1;
}

static void multiply(int to, int left, int right)
{
    if (!begin_product(to, left, right)) return;
    int m = tiles.rows[to], n = tiles.bytes[to] / 4, k = tiles.rows[right];
    for (int i = 0; i < m; i++) {
        float even[ROWS] = {0}, odd[ROWS] = {0};
        for (int j = 0; j < k; j++) {
            float x = widened(tiles.data[left][i].halves[2 * j]);
            float y = widened(tiles.data[left][i].halves[2 * j + 1]);
            for (int c = 0; c < n; c++) {
                even[c] = __builtin_fmaf(x, widened(tiles.data[right][j].halves[2 * c]), even[c]);
                odd[c] = __builtin_fmaf(y, widened(tiles.data[right][j].halves[2 * c + 1]), odd[c]);
            }
        }
        for (int c = 0; c < n; c++) tiles.data[to][i].floats[c] += even[c] + odd[c];
    }
    if (wrong) tiles.data[to][0].floats[0] += 1;
}

/* The left bytes have no sign, the right ones have. */
static void multiply_bytes(int to, int left, int right)
{
    if (!begin_product(to, left, right)) return;
    for (int i = 0; i < tiles.rows[to]; i++)
        for (int j = 0; j < tiles.rows[right]; j++)
            for (int c = 0; c < tiles.bytes[to] / 4; c++)
                for (int b = 4 * c; b < 4 * c + 4; b++)
                    tiles.data[to][i].integers[c] += tiles.data[left][i].bytes[4 * j + b % 4]
                                                     * tiles.data[right][j].signed_bytes[b];
    if (wrong) tiles.data[to][0].integers[0] += 1;
}

/* Registers in the order of their numbers in instructions. */
static const int REGISTERS[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* An instruction: three bytes of VEX prefix, an operation, and operands. */
typedef struct {
    int kind, operation, third, reg, rm, in_registers, length;
    uint8_t *address;
    int64_t stride;
} Instruction;

static int decode(const uint8_t *code, const greg_t *registers, Instruction *found)
{
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) return 0;
    int x = !(code[1] & 0x40) << 3, b = !(code[1] & 0x20) << 3;
    const uint8_t *at = code + 4;
    int modrm = *at++, mode = modrm >> 6;
    found->kind = code[2] & 3;
    found->third = ~code[2] >> 3 & 15;
    found->operation = code[3];
    found->reg = modrm >> 3 & 7;
    found->rm = modrm & 7;
    found->in_registers = mode == 3;
    found->stride = 0;
    if (mode == 3) return found->length = at - code, 1;
    int64_t address = 0;
    int base = found->rm, relative = 0;
    if (base == 4) {
        int sib = *at++, index = (sib >> 3 & 7) + x;
        base = sib & 7;
        if (index != 4) found->stride = registers[REGISTERS[index]] << (sib >> 6);
        if (base == 5 && mode == 0) base = -1;
    } else if (base == 5 && mode == 0) {
        base = -1;
        relative = 1;
    }
    if (base >= 0) address = registers[REGISTERS[base + b]];
    if (mode == 1) {
        address += (int8_t)*at++;
    } else if (mode == 2 || base < 0) {
        int32_t displacement;
        memcpy(&displacement, at, 4);
        address += displacement;
        at += 4;
    }
    found->length = at - code;
    if (relative) address += (int64_t)at;
    found->address = (uint8_t *)address;
    return 1;
}

/* Whether it is an instruction of AMX, which has then been carried out. */
static int carry_out(const Instruction *given)
{
    enum { NONE, P66, PF3, PF2 };
    switch (given->operation << 8 | given->kind << 1 | given->in_registers) {
    case 0x4900 | NONE << 1:
        __atomic_add_fetch(&counts[CONFIGURED], 1, __ATOMIC_RELAXED);
        configure(given->address + given->stride);
        return 1;
    case 0x4900 | NONE << 1 | 1:
        __atomic_add_fetch(&counts[RELEASED], 1, __ATOMIC_RELAXED);
        tiles.configured = 0;
        return 1;
    case 0x4900 | PF2 << 1 | 1:
        if (is_there(given->reg)) memset(tiles.data[given->reg], 0, sizeof tiles.data[0]);
        return 1;
    case 0x4b00 | PF2 << 1:
        move(given->reg, given->address, given->stride, 0);
        return 1;
    case 0x4b00 | PF3 << 1:
        move(given->reg, given->address, given->stride, 1);
        return 1;
    case 0x5c00 | PF3 << 1 | 1:
        multiply(given->reg, given->rm, given->third);
        return 1;
    case 0x5e00 | P66 << 1 | 1:
        multiply_bytes(given->reg, given->rm, given->third);
        return 1;
    }
    return 0;
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    Instruction found = {0};
    _mm_setcsr(0x1f80 | DENORMALS_ARE_ZERO);  /* of this handler; its end restores the program's */
    if (decode((const uint8_t *)registers[REG_RIP], registers, &found) && carry_out(&found))
        registers[REG_RIP] += found.length;
    else
        sigaction(SIGILL, &before, NULL);  /* whose turn it is when the instruction comes again */
}

void begin(int wrongly)
{
    struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    first_violation = NULL;
    wrong = wrongly;
    memset(counts, 0, sizeof counts);
    for (int k = 0; k < TILES; k++) ends[k][0] = UINT64_MAX, ends[k][1] = 0;
    sigaction(SIGILL, &ours, &before);
}

void end(void)
{
    sigaction(SIGILL, &before, NULL);
}

const char *violation(void)
{
    return first_violation;
}

const long *counted(void)
{
    return counts;
}

const uint64_t *moved(int tile)
{
    return ends[tile];
}

const uint8_t *configuration(void)
{
    return last_configuration;
}
