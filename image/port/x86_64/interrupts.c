// Interrupts and the timer: local APIC (Intel SDM vol. 3A, chapter 11), IOAPIC (Intel 82093AA, section 3), IDT.
// Interrupts are on, except on the way to sleep: one that is held back makes QEMU (TCG) ask for its global lock again and
// again, which its network thread has while it sends. The handlers may run beside Python code, as they touch nothing of it.

#include "py/mpconfig.h"
#include "py/mphal.h"
#include "machine.h"

// Local APIC registers, SDM table 11-1.
#define APIC                0xfee00000u
#define APIC_EOI            (APIC + 0x0b0)
#define APIC_SPURIOUS       (APIC + 0x0f0)
#define APIC_LVT_TIMER      (APIC + 0x320)
#define APIC_TIMER_INITIAL  (APIC + 0x380)
#define APIC_TIMER_CURRENT  (APIC + 0x390)
#define APIC_TIMER_DIVIDE   (APIC + 0x3e0)
#define APIC_ENABLE         0x100
#define LVT_MASKED          0x10000
#define DIVIDE_BY_1         0xb             // QEMU and KVM then count nanoseconds

// IOAPIC, 82093AA section 3.1 and 3.2.
#define IOAPIC_SELECT       0xfec00000u
#define IOAPIC_WINDOW       0xfec00010u
#define IOAPIC_VERSION      1               // bits 16 to 23: last input
#define IOAPIC_INPUT        0x10            // two words for each input
#define LEVEL_TRIGGERED     0x8000

#define VECTOR_TIMER        32
#define VECTOR_NIC          33
#define VECTOR_SPURIOUS     255
#define HANDLER             __attribute__((interrupt, target("general-regs-only")))

struct frame; // what the processor pushed; no handler looks at it

static struct {
    uint16_t offset_low, selector, type, offset_mid;
    uint32_t offset_high, zero;
} idt[256];

static uintptr_t nic_status, nic_acknowledge;
static volatile bool nic_called;

// A plain store: the compiler would make a zero smaller, by reading the register first.
static inline void end_of_interrupt(void) {
    __asm__ volatile ("movl %0, %1" : : "r" (0), "m" (*register32(APIC_EOI)));
}

static HANDLER void on_timer(struct frame *frame) {
    (void)frame;
    end_of_interrupt();
}

// Three visits of the hypervisor, which can wait until the answer is out: without EOI there is no second interrupt.
static HANDLER void on_nic(struct frame *frame) {
    (void)frame;
    nic_called = true;
}

static void acknowledge_nic(void) {
    if (nic_called) {
        nic_called = false;
        *register32(nic_acknowledge) = *register32(nic_status);
        end_of_interrupt();
    }
}

static HANDLER void on_spurious(struct frame *frame) {
    (void)frame; // takes no EOI (SDM 11.9)
}

// Called by the stubs in entry.S.
_Noreturn void exception(const uint64_t *frame) {
    uint64_t address;
    __asm__ volatile ("mov %%cr2, %0" : "=r" (address));
    appliance_stop("processor exception %u (error %x) at 0x%p, address 0x%p",
        (unsigned)frame[0], (unsigned)frame[1], (void *)frame[2], (void *)address);
}

static void set_gate(int vector, const void *handler) {
    uintptr_t offset = (uintptr_t)handler;
    idt[vector].offset_low = offset;
    idt[vector].offset_mid = offset >> 16;
    idt[vector].offset_high = offset >> 32;
    idt[vector].selector = 8;
    idt[vector].type = 0x8e00; // present, interrupt gate
}

void interrupts_open(void) {
    extern const char exception_stubs[];
    for (int vector = 0; vector < 32; vector++) {
        set_gate(vector, exception_stubs + 16 * vector);
    }
    set_gate(VECTOR_TIMER, on_timer);
    set_gate(VECTOR_NIC, on_nic);
    set_gate(VECTOR_SPURIOUS, on_spurious);
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } pointer = { sizeof(idt) - 1, idt };
    __asm__ volatile ("lidt %0" : : "m" (pointer));
    out8(0x21, 0xff); // the 8259 pair, where there is one, stays silent
    out8(0xa1, 0xff);
    *register32(APIC_SPURIOUS) = APIC_ENABLE | VECTOR_SPURIOUS;
    *register32(APIC_TIMER_DIVIDE) = DIVIDE_BY_1;
    __asm__ volatile ("sti" : : : "memory");
}

bool interrupts_route(uint32_t gsi, uintptr_t status, uintptr_t acknowledge) {
    *register32(IOAPIC_SELECT) = IOAPIC_VERSION;
    if (gsi > (*register32(IOAPIC_WINDOW) >> 16 & 0xff)) {
        return false;
    }
    nic_status = status;
    nic_acknowledge = acknowledge;
    *register32(IOAPIC_SELECT) = IOAPIC_INPUT + 2 * gsi + 1;
    *register32(IOAPIC_WINDOW) = 0; // to the processor whose APIC id is 0
    *register32(IOAPIC_SELECT) = IOAPIC_INPUT + 2 * gsi;
    *register32(IOAPIC_WINDOW) = LEVEL_TRIGGERED | VECTOR_NIC;
    return true;
}

uint32_t timer_count(void) {
    return *register32(APIC_TIMER_CURRENT);
}

void timer_start(uint32_t ns, bool interrupt) {
    *register32(APIC_LVT_TIMER) = interrupt ? VECTOR_TIMER : LVT_MASKED | VECTOR_TIMER;
    *register32(APIC_TIMER_INITIAL) = ns;
}

// The card may have written a frame after Python looked and before interrupts are on: so look again with the
// interrupt held back. `sti` takes effect after the next instruction, so nothing fits between it and `hlt`.
void interrupts_sleep(uint32_t ns, const volatile uint16_t *index, uint16_t seen) {
    __asm__ volatile ("cli\n\tmfence" : : : "memory");
    acknowledge_nic();
    if (index != NULL && *index != seen) {
        __asm__ volatile ("sti" : : : "memory");
        return;
    }
    timer_start(ns, true);
    clock_mark();
    __asm__ volatile ("sti\n\thlt" : : : "memory");
}
