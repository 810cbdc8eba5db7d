// A Cortex-M3: vectors, start, clock, sleep, faults, halt. Documents: ARMv7-M Architecture Reference Manual
// (B1.5 exceptions, B3.2 system control, B3.3 SysTick, B3.4 NVIC).

#include "py/mpconfig.h"
#include "py/mphal.h"
#include "machine.h"

#define SYST_CSR        0xe000e010
#define SYST_RVR        0xe000e014
#define SYST_CVR        0xe000e018
#define SYST_ON         7               // enabled, interrupt, processor clock
#define ICTR            0xe000e004      // bits 3:0: interrupts, in steps of 32
#define NVIC_ISER       0xe000e100
#define NVIC_ICER       0xe000e180
#define NVIC_ISPR       0xe000e200
#define NVIC_ICPR       0xe000e280
#define ICSR            0xe000ed04
#define ICSR_PENDSTSET  (1u << 26)
#define AIRCR           0xe000ed0c
#define AIRCR_RESET     0x05fa0004
#define CFSR            0xe000ed28      // why a fault was taken; bit 15: BFAR holds the address
#define BFAR            0xe000ed38
#define BFARVALID       (1u << 15)

#define PERIOD_MS       (15000 / CPU_MHZ) // 15 million cycles: whole milliseconds in SysTick's 24 bits
#define PERIOD          15000000
#define NO_IRQ          0xffffffff
#if BAREWIRE_DEV
#define CONSOLE_PATIENCE 50000000       // mpremote reads what it asked for, if late
#else
#define CONSOLE_PATIENCE 100000         // looks at the status before a byte is given up
#endif
#define NOISE_WORDS     0x4000

extern uint32_t stack_low[], stack_top[], data_load[], data_lo[], data_hi[], bss_lo[], bss_hi[], ram_lo[];

uint32_t start_noise[4];
static volatile uint32_t periods;       // that SysTick has completed
static uint32_t wake_irq;

static inline void interrupts_off(void) {
    __asm__ volatile ("cpsid i" : : : "memory");
}

static inline void interrupts_on(void) {
    // dsb: what was disabled before is disabled now; isb: what is pending is taken before the next instruction
    __asm__ volatile ("dsb\n\tcpsie i\n\tisb" : : : "memory");
}

// ---- clock: SysTick runs for good, so it neither drifts nor is disturbed by the sleep, which has the board's timer

static void on_systick(void) {
    periods++;
}

// Cycles into the current period; *whole is the number of completed ones.
static uint32_t clock_read(uint32_t *whole) {
    uint32_t before, left;
    do {
        before = periods;
        left = *register32(SYST_CVR);
        if (*register32(ICSR) & ICSR_PENDSTSET) { // wrapped where interrupts are off: count it ourselves
            left = *register32(SYST_CVR);
            *whole = before + 1;
        } else {
            *whole = before;
        }
    } while (before != periods);
    return PERIOD - 1 - left;
}

uint32_t clock_ms(void) {
    uint32_t whole, cycles = clock_read(&whole);
    return whole * PERIOD_MS + cycles / (1000 * CPU_MHZ);
}

uint32_t clock_us(void) {
    uint32_t whole, cycles = clock_read(&whole);
    return whole * (1000 * PERIOD_MS) + cycles / CPU_MHZ;
}

uint32_t clock_cycles(void) {
    uint32_t whole, cycles = clock_read(&whole);
    return whole * PERIOD + cycles;
}

static void clock_open(void) {
    *register32(SYST_RVR) = PERIOD - 1;
    *register32(SYST_CVR) = 0;
    *register32(SYST_CSR) = SYST_ON;
    while (*register32(SYST_CVR) == 0) { // until the first cycle has loaded it
    }
}

void mp_hal_delay_us(mp_uint_t us) {
    uint32_t start = clock_us();
    while (clock_us() - start < us) {
    }
}

#if !BAREWIRE_DEV // prompt.c has another, for which the appliance goes on
void mp_hal_delay_ms(mp_uint_t ms) {
    uint32_t start = clock_ms();
    while (clock_ms() - start < ms) {
        machine_sleep(1);
    }
}
#endif

// ---- sleep

static inline volatile uint32_t *nvic(uintptr_t bank, uint32_t irq) {
    return register32(bank + 4 * (irq / 32));
}

static bool pending(uint32_t irq) {
    return irq != NO_IRQ && (*nvic(NVIC_ISPR, irq) >> irq % 32 & 1);
}

static void nvic_set(uintptr_t bank, uint32_t irq) {
    if (irq != NO_IRQ) {
        *nvic(bank, irq) = 1u << irq % 32;
    }
}

bool machine_wake_on(uint32_t irq) {
    if (irq >= 32 * ((*register32(ICTR) & 15) + 1)) {
        return false;
    }
    wake_irq = irq;
    return true;
}

static void wakers_set(uintptr_t bank) {
    nvic_set(bank, wake_irq);
    nvic_set(bank, board_timer_irq);
    #if BAREWIRE_DEV
    nvic_set(bank, board_console_irq);
    #endif
}

static bool awake(void) {
    #if BAREWIRE_DEV
    if (pending(board_console_irq)) {
        return true;
    }
    #endif
    return pending(wake_irq) || pending(board_timer_irq);
}

// Sleeps until the card interrupts, at most ms milliseconds. The interrupts are enabled here only, with PRIMASK set:
// they end WFI (B1.5.19) and are never taken, for which the table of vectors has no place: while SysTick's is taken, they are
// disabled, or one that comes just then would be. The card's is a level: had a frame come before, WFI would not wait.
void machine_sleep(uint32_t ms) {
    interrupts_off();
    board_timer_start(ms < BOARD_TIMER_MS ? ms : BOARD_TIMER_MS);
    wakers_set(NVIC_ICPR); // a level that has gone since leaves it pending
    for (;;) {
        wakers_set(NVIC_ISER);
        __asm__ volatile ("dsb\n\twfi" : : : "memory");
        wakers_set(NVIC_ICER);
        if (awake()) {
            break;
        }
        interrupts_on(); // only SysTick has woken us: let it count
        interrupts_off();
    }
    board_timer_stop();
    interrupts_on();
}

// ---- console, faults, halt

// A console that nobody reads must not stop the appliance: a byte that does not leave in time is dropped.
mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        for (int k = 0; k < CONSOLE_PATIENCE && !board_console_put(text[i]); k++) {
        }
    }
    return length;
}

void machine_reset(void) {
    *register32(AIRCR) = AIRCR_RESET;
    for (;;) {
    }
}

void machine_halt(int code) {
    (void)code; // a reset tells nobody
    for (int k = 0; k < CONSOLE_PATIENCE && !board_console_idle(); k++) {
    }
    machine_reset();
}

// frame: r0-r3, r12, lr, pc, xPSR as the exception pushed them; 0 where it found no stack.
__attribute__((used)) static void fault(const uint32_t *frame, uint32_t number) {
    uint32_t why = *register32(CFSR);
    if (frame < stack_low) {
        appliance_stop("the stack is full");
    }
    appliance_stop("processor exception %u (status %x) at 0x%p, address 0x%p", (unsigned)number, (unsigned)why,
        (void *)frame[6], (void *)(why & BFARVALID ? *register32(BFAR) : 0));
}

// The stack lies at the bottom of memory: overflowing, it meets nothing instead of the heap, and we take a fresh one.
__attribute__((naked)) static void on_fault(void) {
    __asm__ volatile (
        "mov r0, sp\n\t"
        "mrs r1, ipsr\n\t"
        "ldr r2, =stack_top\n\t"
        "mov sp, r2\n\t"
        "ldr r2, =fault\n\t"
        "bx r2\n\t"
        ".ltorg");
}

// ---- start

// What the cells of the memory fell to when it got its power; after a reset, what was there before it.
__attribute__((always_inline)) static inline void gather_noise(uint32_t noise[4]) {
    for (int i = 0; i < NOISE_WORDS; i++) {
        noise[i & 3] = (noise[i & 3] ^ ram_lo[i]) * 0x9e3779b1u; // odd, so nothing is lost
        noise[(i + 1) & 3] ^= noise[i & 3] >> 15;
    }
}

_Noreturn static void on_reset(void) {
    uint32_t noise[4] = { 1, 2, 3, 4 };
    gather_noise(noise);
    for (uint32_t *from = data_load, *to = data_lo; to < data_hi; ) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_lo; to < bss_hi; ) {
        *to++ = 0;
    }
    for (int i = 0; i < 4; i++) {
        start_noise[i] = noise[i];
    }
    wake_irq = NO_IRQ;
    board_open();
    clock_open();
    appliance_run(heap_lo, heap_hi, (char *)stack_low);
}

// Interrupts of devices are never taken (machine_sleep), so the table ends with the processor's own.
__attribute__((section(".vectors"), used)) const void *const vectors[16] = {
    stack_top, on_reset, on_fault, on_fault, on_fault, on_fault, on_fault, on_fault,
    on_fault, on_fault, on_fault, on_fault, on_fault, on_fault, on_fault, on_systick,
};
