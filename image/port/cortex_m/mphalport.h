// What MicroPython's core asks of the machine; see machine.c.

#include <stdint.h>

uint32_t clock_us(void), clock_ms(void), clock_cycles(void); // since boot, modulo 2^32

static inline mp_uint_t mp_hal_ticks_us(void) {
    return clock_us();
}

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return clock_ms();
}

static inline mp_uint_t mp_hal_ticks_cpu(void) {
    return clock_cycles();
}

#if BAREWIRE_DEV
void mp_hal_set_interrupt_char(int c);
#else
static inline void mp_hal_set_interrupt_char(char c) {
    (void)c;
}
#endif
