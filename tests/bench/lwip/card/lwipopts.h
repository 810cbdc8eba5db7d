// lwIP as MicroPython's ports configure it (extmod/lwip-include/lwipopts_common.h), with full segments.
#include <stdint.h>

#define LWIP_IPV4               1
#define LWIP_IPV6               0
#define LWIP_RAND()             ((u32_t)0x2545F491)
#define MEM_SIZE                (16000)
#define TCP_MSS                 (1460)
#define TCP_WND                 (8 * TCP_MSS)
#define TCP_SND_BUF             (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG        (32)

#include "extmod/lwip-include/lwipopts_common.h"

#undef MEM_ALIGNMENT
#define MEM_ALIGNMENT           8       // pointers have 64 bits here
