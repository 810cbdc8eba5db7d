// What the files of the x86-64 machine share: registers, the heap's bounds, the command line, interrupts, the clock.

#include <stdbool.h>
#include <stdint.h>
#include "appliance.h"

#define COMMAND_LINE_BYTES 1024

extern char *heap_lo, *heap_hi;
extern char command_line[COMMAND_LINE_BYTES];

// interrupts.c
void interrupts_open(void);
bool interrupts_route(uint32_t gsi, uintptr_t status, uintptr_t acknowledge); // false: the IOAPIC has no such input
void interrupts_sleep(uint32_t ns, const volatile uint16_t *index, uint16_t seen);
uint32_t timer_count(void);
void timer_start(uint32_t ns, bool interrupt);

// machine.c
void clock_refine(void);
void clock_mark(void);

static inline void out8(uint16_t port, uint8_t value) {
    __asm__ volatile ("outb %0, %1" : : "a" (value), "Nd" (port));
}

static inline uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile ("inb %1, %0" : "=a" (value) : "Nd" (port));
    return value;
}

static inline volatile uint32_t *register32(uintptr_t address) {
    return (volatile uint32_t *)address;
}
