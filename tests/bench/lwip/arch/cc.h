// What lwIP wants to know of the compiler (its doc/sys_arch.txt).
#include <stdint.h>

#define LWIP_NO_CTYPE_H             1
#define LWIP_RAND()                 ((u32_t)0x2545F491)     // where this is measured nobody guesses ports
#define LWIP_PLATFORM_DIAG(x)       do { } while (0)
#define LWIP_PLATFORM_ASSERT(x)     __builtin_trap()
