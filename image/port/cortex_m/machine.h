// What the files of the Cortex-M machine share: a board's four functions, the sleep, the noise that start-up found.

#include <stdbool.h>
#include <stdint.h>
#include "appliance.h"

static inline volatile uint32_t *register32(uintptr_t address) {
    return (volatile uint32_t *)address;
}

// One file per board.
extern const uint32_t board_timer_irq;
void board_open(void);              // processor clock at CPU_MHZ, console at 115200 baud
bool board_console_put(char c);     // false: no room yet
bool board_console_idle(void);      // true: the last byte has left
void board_timer_start(uint32_t ms); // one interrupt, ms milliseconds from now, at most BOARD_TIMER_MS
void board_timer_stop(void);
#if BAREWIRE_DEV                    // boards that have a development image
extern const uint32_t board_console_irq;
int machine_console_get(void);      // a byte that was typed, -1 for none
#endif
#define BOARD_TIMER_MS 60000        // 32 bits of cycles hold more at either board's clock

// machine.c
extern uint32_t start_noise[4];     // hash of what the memory held when the power came
extern char heap_lo[], heap_hi[];   // the linker's
_Noreturn void machine_reset(void);
bool machine_wake_on(uint32_t irq); // false: the processor has no such interrupt
void machine_sleep(uint32_t ms);
uint32_t clock_cycles(void);
