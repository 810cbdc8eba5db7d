// MicroPython's settings for x86-64 without an operating system; the rest is in ../common/mpconfig_common.h.

#define MICROPY_EMIT_X64                (1) // frozen native code
#define MICROPY_LONGINT_IMPL            (MICROPY_LONGINT_IMPL_NONE) // small ints have 63 bits
#define MICROPY_HW_BOARD_NAME           "microvm"
#define MICROPY_HW_MCU_NAME             "x86-64"
#define MICROPY_PY_SYS_PLATFORM         "barewire"

#include "mpconfig_common.h"
