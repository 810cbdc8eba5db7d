// The module `uctypes`, of which drivers need three functions; MicroPython's own (extmod/moductypes.c) is ten times this.

#include "py/objarray.h"
#include "py/runtime.h"

// addressof(buffer) -> where its bytes lie. The collector does not move them.
static mp_obj_t uctypes_addressof(mp_obj_t buffer) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_READ);
    return mp_obj_new_int((mp_int_t)info.buf);
}
static MP_DEFINE_CONST_FUN_OBJ_1(uctypes_addressof_obj, uctypes_addressof);

// bytearray_at(address, size) -> the memory there, not a copy.
static mp_obj_t uctypes_bytearray_at(mp_obj_t address, mp_obj_t size) {
    return mp_obj_new_bytearray_by_ref(mp_obj_get_int(size), (void *)mp_obj_get_int(address));
}
static MP_DEFINE_CONST_FUN_OBJ_2(uctypes_bytearray_at_obj, uctypes_bytearray_at);

// bytes_at(address, size) -> a copy of the memory there.
static mp_obj_t uctypes_bytes_at(mp_obj_t address, mp_obj_t size) {
    return mp_obj_new_bytes((void *)mp_obj_get_int(address), mp_obj_get_int(size));
}
static MP_DEFINE_CONST_FUN_OBJ_2(uctypes_bytes_at_obj, uctypes_bytes_at);

static const mp_rom_map_elem_t uctypes_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_uctypes) },
    { MP_ROM_QSTR(MP_QSTR_addressof), MP_ROM_PTR(&uctypes_addressof_obj) },
    { MP_ROM_QSTR(MP_QSTR_bytearray_at), MP_ROM_PTR(&uctypes_bytearray_at_obj) },
    { MP_ROM_QSTR(MP_QSTR_bytes_at), MP_ROM_PTR(&uctypes_bytes_at_obj) },
};
static MP_DEFINE_CONST_DICT(uctypes_globals, uctypes_globals_table);

const mp_obj_module_t barewire_uctypes_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&uctypes_globals,
};
MP_REGISTER_MODULE(MP_QSTR_uctypes, barewire_uctypes_module);
