// What every barewire image takes from MicroPython: frozen code only, no compiler, no REPL, no floats; a development
// image (BAREWIRE_DEV) has some of that, see mpconfig_dev.h.
// Follows py/mpconfig.h of MicroPython 1.25. A port's mpconfigport.h adds its machine and includes this.

#include <stdint.h>
#include <alloca.h>

#define MICROPY_CONFIG_ROM_LEVEL        (MICROPY_CONFIG_ROM_LEVEL_CORE_FEATURES)

#if BAREWIRE_DEV
#include "mpconfig_dev.h"
#else
#define MICROPY_ENABLE_COMPILER         (0)
#define MICROPY_ERROR_REPORTING         (MICROPY_ERROR_REPORTING_TERSE)
#define MICROPY_ALLOC_PATH_MAX          (64)
#define MICROPY_PY_IO                   (0)
#define MICROPY_PY_SYS_STDFILES         (0)
#endif

// Frozen only. Importing a frozen module needs both of the last two.
#define MICROPY_MODULE_FROZEN_MPY       (1)
#define MICROPY_QSTR_EXTRA_POOL         mp_qstr_frozen_const_pool
#define MICROPY_ENABLE_EXTERNAL_IMPORT  (1)
#define MICROPY_PY_SYS                  (1)

#define MICROPY_ENABLE_GC               (1)
#define MICROPY_STACK_CHECK             (1)
#define MICROPY_ENABLE_SOURCE_LINE      (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1) // a traceback even where the heap is locked
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (256)
#ifndef MICROPY_OPT_COMPUTED_GOTO
#define MICROPY_OPT_COMPUTED_GOTO       (1)
#endif

// What app authors meet in everyday Python; what is not named keeps its level's default.
#define MICROPY_PY_BUILTINS_MEMORYVIEW  (1)
#define MICROPY_PY_BUILTINS_BYTES_HEX   (1)
#define MICROPY_PY_BUILTINS_STR_PARTITION (1)
#define MICROPY_PY_BUILTINS_ROUND_INT   (1)
#define MICROPY_PY_ALL_SPECIAL_METHODS  (1)
#define MICROPY_PY_TIME                 (1)

// Parts of the level that a network appliance without files has no use for.
#define MICROPY_PY_SYS_ARGV             (0)
#define MICROPY_PY_ASYNC_AWAIT          (0)
#define MICROPY_PY_MATH                 (0)
#define MICROPY_PY_COLLECTIONS          (0)
#define MICROPY_PY_ATTRTUPLE            (0)
#define MICROPY_PY_BUILTINS_PROPERTY    (0)
#define MICROPY_MULTIPLE_INHERITANCE    (0)

typedef intptr_t mp_int_t;
typedef uintptr_t mp_uint_t;
typedef long mp_off_t;

#define MP_STATE_PORT MP_STATE_VM
