// The `port` module: what boards/*.py need of the Cortex-M machine and MicroPython does not have.

#include "py/obj.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "machine.h"
#if BAREWIRE_DEV
#include "prompt.h"
#endif

// irq(number): the card's interrupt, which has to be a level, ends idle(). OSError where the processor has no such one.
static mp_obj_t port_irq(mp_obj_t number) {
    if (!machine_wake_on(mp_obj_get_int(number))) {
        mp_raise_msg_varg(&mp_type_OSError, MP_ERROR_TEXT("interrupt %d: the NVIC has no such input"), (int)mp_obj_get_int(number));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(port_irq_obj, port_irq);

// idle(ms): sleeps until the card interrupts, at most ms milliseconds. May return early.
static mp_obj_t port_idle(mp_obj_t ms_in) {
    mp_int_t ms = mp_obj_get_int(ms_in);
    if (ms > 0) {
        machine_sleep(ms);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(port_idle_obj, port_idle);

// entropy() -> 16 bytes: what the memory held at power-on, and the time; in QEMU the time that reads of the clock
// take, which leave the virtual machine and so jitter with the host.
static mp_obj_t port_entropy(void) {
    for (int i = 0; i < 1024; i++) {
        uint32_t *word = &start_noise[i & 3];
        *word = (*word ^ clock_cycles()) * 0x9e3779b1u;
        start_noise[(i + 1) & 3] ^= *word >> 15;
    }
    return mp_obj_new_bytes((const byte *)start_noise, sizeof(start_noise));
}
static MP_DEFINE_CONST_FUN_OBJ_0(port_entropy_obj, port_entropy);

// halt(code): resets the machine; the code is for machines that can hand it on.
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

#if BAREWIRE_DEV
// serve(turn): turn(ms) is called while the prompt waits, and between the instructions of a program.
static mp_obj_t port_serve(mp_obj_t turn) {
    prompt_serve(turn);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(port_serve_obj, port_serve);

// disk() -> the memory for the file system; a soft reset leaves it as it is.
static mp_obj_t port_disk(void) {
    return mp_obj_new_bytearray_by_ref(PROMPT_DISK_BYTES, prompt_disk);
}
static MP_DEFINE_CONST_FUN_OBJ_0(port_disk_obj, port_disk);
#endif

static const mp_rom_map_elem_t port_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_port) },
    { MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&port_irq_obj) },
    { MP_ROM_QSTR(MP_QSTR_idle), MP_ROM_PTR(&port_idle_obj) },
    { MP_ROM_QSTR(MP_QSTR_entropy), MP_ROM_PTR(&port_entropy_obj) },
    { MP_ROM_QSTR(MP_QSTR_halt), MP_ROM_PTR(&port_halt_obj) },
    { MP_ROM_QSTR(MP_QSTR_memory), MP_ROM_PTR(&port_memory_obj) },
    #if BAREWIRE_DEV
    { MP_ROM_QSTR(MP_QSTR_serve), MP_ROM_PTR(&port_serve_obj) },
    { MP_ROM_QSTR(MP_QSTR_disk), MP_ROM_PTR(&port_disk_obj) },
    #endif
};
static MP_DEFINE_CONST_DICT(port_globals, port_globals_table);

const mp_obj_module_t port_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&port_globals,
};
MP_REGISTER_MODULE(MP_QSTR_port, port_module);
