// What MicroPython's core asks of the machine; see machine.c.

#include "py/mpconfig.h"

uint64_t clock_us(void); // microseconds since boot, never backwards

static inline mp_uint_t mp_hal_ticks_us(void) {
    return clock_us();
}

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return clock_us() / 1000;
}

static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return __builtin_ia32_rdtsc();
}

static inline void mp_hal_set_interrupt_char(char c) {
    (void)c;
}
