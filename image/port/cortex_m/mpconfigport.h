// MicroPython's settings for Cortex-M; the rest is in ../common/mpconfig_common.h. BOARD's name comes from the Makefile.

#define MICROPY_EMIT_THUMB              (1) // frozen native code
#define MICROPY_EMIT_INLINE_THUMB       (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))
#define MICROPY_LONGINT_IMPL            (MICROPY_LONGINT_IMPL_LONGLONG) // 3.4 KB less than big ints; see longlong.c
#define MICROPY_OPT_COMPUTED_GOTO       (0) // 1 KB less
#define MICROPY_STACK_CHECK_MARGIN      (1024) // for the C code between two checks
#define MICROPY_QSTR_BYTES_IN_HASH      (0) // 0.7 KB less
#define MP_SSIZE_MAX                    (0x7fffffff)
#define MICROPY_HW_MCU_NAME             "Cortex-M3"
#define MICROPY_PY_SYS_PLATFORM         "barewire"

#include "mpconfig_common.h"
