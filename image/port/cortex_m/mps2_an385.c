// ARM's MPS2+ board with the image AN385: a Cortex-M3 at 25 MHz. Documents: Application Note AN385 (memory map,
// interrupts), Cortex-M System Design Kit Technical Reference Manual (4.2 timer, 4.3 UART).

#include "py/mpconfig.h"
#include "machine.h"

#define TIMER           0x40000000
#define TIMER_CONTROL   (TIMER + 0x0)
#define TIMER_VALUE     (TIMER + 0x4)
#define TIMER_RELOAD    (TIMER + 0x8)
#define TIMER_CLEAR     (TIMER + 0xc)
#define TIMER_ON        9               // enabled, interrupt

#define UART            0x40004000
#define UART_STATE      (UART + 0x4)
#define UART_CONTROL    (UART + 0x8)
#define UART_CLEAR      (UART + 0xc)
#define UART_DIVIDER    (UART + 0x10)
#define UART_FULL       1               // state
#define UART_TYPED      2
#define UART_TRANSMIT   1               // control
#define UART_RECEIVE    10              // with an interrupt

const uint32_t board_timer_irq = 8;
#if BAREWIRE_DEV
const uint32_t board_console_irq = 0;

int machine_console_get(void) {
    if (!(*register32(UART_STATE) & UART_TYPED)) {
        return -1;
    }
    *register32(UART_CLEAR) = UART_TYPED;
    return (uint8_t)*register32(UART);
}
#endif

void board_open(void) {
    *register32(UART_DIVIDER) = 217; // 25 MHz / 115200
    #if BAREWIRE_DEV
    *register32(UART_CONTROL) = UART_TRANSMIT | UART_RECEIVE;
    #else
    *register32(UART_CONTROL) = UART_TRANSMIT;
    #endif
}

bool board_console_put(char c) {
    if (*register32(UART_STATE) & UART_FULL) {
        return false;
    }
    *register32(UART) = (uint8_t)c;
    return true;
}

// The buffer of one byte is empty; the byte before it leaves within 87 microseconds, which nothing here tells.
bool board_console_idle(void) {
    return !(*register32(UART_STATE) & UART_FULL);
}

// Nothing to reload: it stops at zero.
void board_timer_start(uint32_t ms) {
    *register32(TIMER_CONTROL) = 0;
    *register32(TIMER_RELOAD) = 0;
    *register32(TIMER_CONTROL) = TIMER_ON;
    *register32(TIMER_VALUE) = ms * (1000 * CPU_MHZ);
}

void board_timer_stop(void) {
    *register32(TIMER_CONTROL) = 0;
    *register32(TIMER_CLEAR) = 1;
}
