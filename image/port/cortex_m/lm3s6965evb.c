// Luminary (Texas Instruments) LM3S6965 on its evaluation board: 8 MHz crystal, console on UART0 behind the debugger's
// USB port. Document: LM3S6965 Microcontroller data sheet (system control, GPTM, UART, GPIO).

#include "py/mpconfig.h"
#include "machine.h"

#define SYSTEM          0x400fe000
#define DID0            (SYSTEM + 0x000)
#define LDOPCTL         (SYSTEM + 0x034)
#define RIS             (SYSTEM + 0x050)
#define MISC            (SYSTEM + 0x058)
#define RCC             (SYSTEM + 0x060)
#define RCGC1           (SYSTEM + 0x104)
#define RCGC2           (SYSTEM + 0x108)
#define REVISION        0xffff
#define REVISION_A2     0x0002
#define LDO_2_75_V      0x1b
#define PLL_LOCKED      (1 << 6)
#define RCC_MOSCDIS     (1 << 0)
#define RCC_OSCSRC      (3 << 4)        // 0: the main oscillator, which is the crystal
#define RCC_XTAL        (15 << 6)
#define RCC_XTAL_8_MHZ  (14 << 6)
#define RCC_BYPASS      (1 << 11)
#define RCC_PLL_OFF     (1 << 13 | 1 << 12) // PWRDN, and OEN where the silicon has it
#define RCC_USESYSDIV   (1 << 22)
#define RCC_SYSDIV      (15 << 23)
#define RCC_SYSDIV_4    (3 << 23)       // 200 MHz / 4
#define CRYSTAL_LOOPS   30000           // at 12 MHz more than the 10 ms that the crystal may take
#define PLL_LOOPS       30000           // the PLL takes 0.5 ms
#define GATE_UART0      (1 << 0)        // in RCGC1
#define GATE_TIMER0     (1 << 16)       // in RCGC1
#define GATE_GPIOA      (1 << 0)        // in RCGC2

#define PORT_A          0x40004000
#define GPIO_AFSEL      (PORT_A + 0x420)
#define GPIO_DEN        (PORT_A + 0x51c)
#define UART_PINS       3               // PA0 receives, PA1 transmits

#define UART            0x4000c000
#define UART_FLAGS      (UART + 0x18)
#define UART_IBRD       (UART + 0x24)
#define UART_FBRD       (UART + 0x28)
#define UART_LINE       (UART + 0x2c)
#define UART_CONTROL    (UART + 0x30)
#define UART_BUSY       (1 << 3)
#define UART_FULL       (1 << 5)
#define UART_8N1_FIFO   0x70
#define UART_ON         0x301           // enabled, both directions

#define TIMER           0x40030000
#define TIMER_CONFIG    (TIMER + 0x00)  // 0: 32 bits
#define TIMER_MODE      (TIMER + 0x04)
#define TIMER_CONTROL   (TIMER + 0x0c)
#define TIMER_MASK      (TIMER + 0x18)
#define TIMER_CLEAR     (TIMER + 0x24)
#define TIMER_LOAD      (TIMER + 0x28)
#define ONE_SHOT        1
#define TIMEOUT         1

const uint32_t board_timer_irq = 19;

static void spin(uint32_t loops) {
    for (volatile uint32_t k = 0; k < loops; k++) {
    }
}

// From the internal oscillator to 50 MHz, in the data sheet's order (system control, initialization).
static void pll_open(void) {
    if ((*register32(DID0) & REVISION) == REVISION_A2) {
        *register32(LDOPCTL) = LDO_2_75_V; // its errata: the PLL is not stable with less
    }
    uint32_t rcc = (*register32(RCC) | RCC_BYPASS) & ~RCC_USESYSDIV;
    *register32(RCC) = rcc;
    rcc &= ~RCC_MOSCDIS;
    *register32(RCC) = rcc;
    if (rcc & RCC_OSCSRC) { // not after a reset by software with the crystal running
        spin(CRYSTAL_LOOPS);
    }
    *register32(MISC) = PLL_LOCKED;
    rcc = (rcc & ~(RCC_OSCSRC | RCC_XTAL | RCC_PLL_OFF)) | RCC_XTAL_8_MHZ;
    *register32(RCC) = rcc;
    rcc = (rcc & ~RCC_SYSDIV) | RCC_SYSDIV_4 | RCC_USESYSDIV;
    *register32(RCC) = rcc;
    for (int k = 0; !(*register32(RIS) & PLL_LOCKED); k++) {
        if (k == PLL_LOOPS) {
            machine_reset(); // no crystal: nothing here would keep time; try again
        }
    }
    *register32(RCC) = rcc & ~RCC_BYPASS;
}

void board_open(void) {
    pll_open();
    *register32(RCGC1) |= GATE_UART0 | GATE_TIMER0;
    *register32(RCGC2) |= GATE_GPIOA;
    spin(3); // a module may be used three cycles after its clock came
    *register32(GPIO_AFSEL) |= UART_PINS;
    *register32(GPIO_DEN) |= UART_PINS;
    *register32(UART_IBRD) = 27; // 50 MHz / (16 * 115200) = 27 + 8/64
    *register32(UART_FBRD) = 8;
    *register32(UART_LINE) = UART_8N1_FIFO;
    *register32(UART_CONTROL) = UART_ON;
    *register32(TIMER_CONFIG) = 0;
    *register32(TIMER_MODE) = ONE_SHOT;
    *register32(TIMER_MASK) = TIMEOUT;
}

bool board_console_put(char c) {
    if (*register32(UART_FLAGS) & UART_FULL) {
        return false;
    }
    *register32(UART) = (uint8_t)c;
    return true;
}

bool board_console_idle(void) {
    return !(*register32(UART_FLAGS) & UART_BUSY);
}

void board_timer_start(uint32_t ms) {
    *register32(TIMER_LOAD) = ms * (1000 * CPU_MHZ);
    *register32(TIMER_CONTROL) = 1;
}

void board_timer_stop(void) {
    *register32(TIMER_CONTROL) = 0;
    *register32(TIMER_CLEAR) = TIMEOUT;
}
