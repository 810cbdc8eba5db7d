// The `port` module: what boards/*.py need of the x86-64 machine and MicroPython does not have.

#include <string.h>

#include "py/obj.h"
#include "py/runtime.h"
#include "machine.h"

#define IDLE_LONGEST_MS 4000    // the timer counts nanoseconds in 32 bits

// cmdline() -> bytes: the hypervisor's command line.
static mp_obj_t port_cmdline(void) {
    return mp_obj_new_bytes((const byte *)command_line, strlen(command_line));
}
static MP_DEFINE_CONST_FUN_OBJ_0(port_cmdline_obj, port_cmdline);

// irq(gsi, status, acknowledge): the card's interrupt ends idle(). The handler reads the 32-bit word at address
// `status` and writes it to `acknowledge`. OSError where the IOAPIC has no input `gsi`.
static mp_obj_t port_irq(mp_obj_t gsi, mp_obj_t status, mp_obj_t acknowledge) {
    if (!interrupts_route(mp_obj_get_int(gsi), mp_obj_get_int(status), mp_obj_get_int(acknowledge))) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("interrupt %d: the IOAPIC has no such input"), (int)mp_obj_get_int(gsi));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(port_irq_obj, port_irq);

// idle(ms, index, seen): sleeps until an interrupt, at most ms milliseconds; not at all if the 16-bit word at
// address `index` (0: none) is no longer `seen`. May return early.
static mp_obj_t port_idle(mp_obj_t ms_in, mp_obj_t index, mp_obj_t seen) {
    mp_int_t ms = mp_obj_get_int(ms_in);
    if (ms > 0) {
        clock_refine();
        uint32_t ns = (ms < IDLE_LONGEST_MS ? ms : IDLE_LONGEST_MS) * 1000000;
        interrupts_sleep(ns, (const uint16_t *)mp_obj_get_int(index), mp_obj_get_int(seen));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(port_idle_obj, port_idle);

// nap(us): sleeps until an interrupt, at most us microseconds.
static mp_obj_t port_nap(mp_obj_t us) {
    clock_refine();
    interrupts_sleep(mp_obj_get_int(us) * 1000, NULL, 0);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(port_nap_obj, port_nap);

static bool has_rdrand(void) {
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile ("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
    return ecx >> 30 & 1;
}

static uint64_t rdrand(void) {
    uint64_t value = 0;
    uint8_t ok = 0;
    for (int i = 0; i < 10 && !ok; i++) { // ten tries: Intel SDM vol. 1, 7.3.17.1
        __asm__ volatile ("rdrand %0\n\tsetc %1" : "=r" (value), "=qm" (ok) : : "cc");
    }
    return value;
}

// entropy() -> 16 bytes. From the processor's generator where it has one; always stirred with the time that reads
// of the timer take, which leave the virtual machine and so jitter with the host.
static mp_obj_t port_entropy(void) {
    bool generator = has_rdrand();
    uint64_t state[2] = { 0, 0 };
    for (int i = 0; i < (generator ? 16 : 256); i++) {
        uint64_t fresh = __builtin_ia32_rdtsc() + ((uint64_t)timer_count() << 32) + (generator ? rdrand() : 0);
        state[0] = (state[0] ^ fresh) * 0x9e3779b97f4a7c15u; // odd, so nothing is lost
        state[0] ^= state[0] >> 29;
        state[1] = (state[1] << 7 | state[1] >> 57) + state[0];
    }
    return mp_obj_new_bytes((const byte *)state, sizeof(state));
}
static MP_DEFINE_CONST_FUN_OBJ_0(port_entropy_obj, port_entropy);

// halt(code): ends the machine.
static mp_obj_t port_halt(mp_obj_t code) {
    machine_halt(mp_obj_get_int(code));
}
static MP_DEFINE_CONST_FUN_OBJ_1(port_halt_obj, port_halt);

// memory() -> (lo, hi): the heap's bounds, addresses.
static mp_obj_t port_memory(void) {
    mp_obj_t bounds[2] = { mp_obj_new_int((uintptr_t)heap_lo), mp_obj_new_int((uintptr_t)heap_hi) };
    return mp_obj_new_tuple(2, bounds);
}
static MP_DEFINE_CONST_FUN_OBJ_0(port_memory_obj, port_memory);

static const mp_rom_map_elem_t port_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_port) },
    { MP_ROM_QSTR(MP_QSTR_cmdline), MP_ROM_PTR(&port_cmdline_obj) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&port_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_idle), MP_ROM_PTR(&port_idle_obj) },
    { MP_ROM_QSTR(MP_QSTR_nap), MP_ROM_PTR(&port_nap_obj) },
    { MP_ROM_QSTR(MP_QSTR_entropy), MP_ROM_PTR(&port_entropy_obj) },
    { MP_ROM_QSTR(MP_QSTR_halt), MP_ROM_PTR(&port_halt_obj) },
    { MP_ROM_QSTR(MP_QSTR_memory), MP_ROM_PTR(&port_memory_obj) },
};
static MP_DEFINE_CONST_DICT(port_globals, port_globals_table);

const mp_obj_module_t port_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&port_globals,
};
MP_REGISTER_MODULE(MP_QSTR_port, port_module);
