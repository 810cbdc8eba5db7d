// What MicroPython's sockets take beside what every image has (image/port/common/mpconfig_common.h).
#define MICROPY_PY_LWIP                 (1)
#define MICROPY_ENABLE_SCHEDULER        (1)     // calls back when a socket has something
#define MICROPY_SCHEDULER_DEPTH         (32)
#define MICROPY_PY_STRUCT               (1)
#define MICROPY_PY_IO                   (0)

#include "../../../../image/port/x86_64/mpconfigport.h"
