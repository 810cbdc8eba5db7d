// The x86-64 machine: start, console, clock, halt. Documents: hvm_start_info (Xen, x86/HVM direct boot ABI),
// National PC16550D, Intel SDM vol. 3B 18.17 (time-stamp counter).

#include <string.h>

#include "py/mpconfig.h"
#include "py/mphal.h"
#include "machine.h"

#define PVH_MAGIC       0x336ec578
#define PVH_RAM         1
#define MIB             0x100000ul
#define HEAP_BOTTOM     (2 * MIB)
#define HEAP_LEAST      (MIB / 2)
#define MAPPED_TOP      0x100000000ul   // what entry.S maps

#define UART            0x3f8
#define UART_INTERRUPTS (UART + 1)
#define UART_FIFO       (UART + 2)
#define UART_LINE       (UART + 3)
#define UART_STATUS     (UART + 5)
#define UART_8N1        0x03
#define UART_EMPTY      0x20
#define UART_PATIENCE   100000          // looks at the status before a byte is given up

#define CALIBRATION_NS  200000
#define FINE_NS         100000000       // a window this long makes the clock good to some 10 ppm

struct pvh_start {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};

struct pvh_memory {
    uint64_t address, size;
    uint32_t type, reserved;
};

char *heap_lo, *heap_hi;
char command_line[COMMAND_LINE_BYTES];

// microseconds = clock.us + (TSC - clock.tsc) * clock.rate / 2^32
static struct {
    uint64_t tsc, us, rate;
    uint64_t window;                    // nanoseconds over which the rate was measured
    uint64_t mark_tsc;                  // start of the window that is now under way
    uint32_t mark_count;
} clock;

static uint64_t tsc(void) {
    return __builtin_ia32_rdtsc();
}

uint64_t clock_us(void) {
    return clock.us + (uint64_t)((unsigned __int128)(tsc() - clock.tsc) * clock.rate >> 32);
}

// TSC and timer count of one moment. The host may have stopped us between the readings: of three, the closest wins.
static uint64_t read_both(uint32_t *count) {
    uint64_t best = UINT64_MAX, at = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t before = tsc();
        uint32_t now = timer_count();
        uint64_t gap = tsc() - before;
        if (gap < best) {
            best = gap;
            at = before + gap / 2;
            *count = now;
        }
    }
    return at;
}

// Starts a window: from here to the next clock_refine the timer must run undisturbed.
void clock_mark(void) {
    if (clock.window < FINE_NS) {
        clock.mark_tsc = read_both(&clock.mark_count);
    }
}

// Takes over the window since clock_mark if the timer still runs and the window beats the one behind the rate.
void clock_refine(void) {
    if (clock.window >= FINE_NS) {
        return;
    }
    uint32_t count;
    uint64_t now = read_both(&count);
    uint64_t ns = clock.mark_count - count;
    if (count == 0 || ns < 2 * clock.window) {
        return;
    }
    clock.us = clock_us();
    clock.tsc = tsc();
    clock.rate = (uint64_t)(((unsigned __int128)ns << 32) / 1000 / (now - clock.mark_tsc));
    clock.window = ns;
}

static void clock_open(void) {
    timer_start(UINT32_MAX, false);
    clock_mark();
    clock.tsc = clock.mark_tsc;
    while (clock.mark_count - timer_count() < CALIBRATION_NS) {
    }
    clock_refine();
    clock.us = 0;
}

// A console that nobody reads must not stop the appliance: a byte that does not leave in time is dropped.
static void console_put(char c) {
    for (int i = 0; i < UART_PATIENCE; i++) {
        if (in8(UART_STATUS) & UART_EMPTY) {
            out8(UART, c);
            return;
        }
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        console_put(text[i]);
    }
    return length;
}

// isa-debug-exit where QEMU was given one (its status is 2 * code + 1), the keyboard controller's reset line,
// and last a triple fault, which resets every x86.
void machine_halt(int code) {
    const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } empty = { 0, 0 };
    out8(0x501, code);
    out8(0x64, 0xfe);
    __asm__ volatile ("lidt %0\n\tint3" : : "m" (empty));
    __builtin_unreachable();
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t start = clock_us();
    while (clock_us() - start < us) {
        __builtin_ia32_pause();
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    mp_hal_delay_us(ms * 1000);
}

static void copy_command_line(const char *text) {
    size_t length = strlen(text);
    if (length >= COMMAND_LINE_BYTES) {
        appliance_stop("command line of %u bytes, at most %u", (unsigned)length, COMMAND_LINE_BYTES - 1);
    }
    memcpy(command_line, text, length);
}

// The heap: from behind the image to the end of the RAM it lies in.
static void find_heap(const struct pvh_start *start) {
    extern char _end[];
    uint64_t lo = (uintptr_t)_end > HEAP_BOTTOM ? (uintptr_t)_end : HEAP_BOTTOM, hi = 0;
    const struct pvh_memory *memory = (const struct pvh_memory *)start->memory_map;
    for (uint32_t i = 0; i < start->memory_map_entries; i++) {
        uint64_t end = memory[i].address + memory[i].size;
        if (memory[i].type == PVH_RAM && memory[i].address <= MIB && end > MIB) {
            hi = end < MAPPED_TOP ? end : MAPPED_TOP;
        }
    }
    if (hi < lo + HEAP_LEAST) {
        appliance_stop("too little memory: it ends at %u KiB, needed are %u KiB at least",
            (unsigned)(hi / 1024), (unsigned)((lo + HEAP_LEAST) / 1024));
    }
    heap_lo = (char *)lo;
    heap_hi = (char *)hi;
}

// Called by entry.S.
_Noreturn void machine_start(const struct pvh_start *start, char *stack_low) {
    out8(UART_INTERRUPTS, 0);
    out8(UART_LINE, UART_8N1);
    out8(UART_FIFO, 1);
    interrupts_open();
    if (start->magic != PVH_MAGIC || start->version < 1) {
        appliance_stop("the loader gave no PVH memory map");
    }
    if (start->command_line != 0) {
        copy_command_line((const char *)start->command_line);
    }
    find_heap(start);
    clock_open();
    appliance_run(heap_lo, heap_hi, stack_low);
}
