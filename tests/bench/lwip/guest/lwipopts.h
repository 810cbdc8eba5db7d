// lwIP as MicroPython's ports configure it (extmod/lwip-include/lwipopts_common.h), with full segments and memory for 64 connections.
#include <stdint.h>

#define LWIP_IPV4               1
#define LWIP_IPV6               0
#define LWIP_RAND()             ((u32_t)sys_now() * 2654435761u)
#define MEM_SIZE                (2000000)
#define TCP_MSS                 (1460)
#define TCP_WND                 (8 * TCP_MSS)
#define TCP_SND_BUF             (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG        (1024)
#define MEMP_NUM_TCP_PCB        (512)
#define PBUF_POOL_SIZE          (256)

#include "extmod/lwip-include/lwipopts_common.h"

#undef MEM_ALIGNMENT
#define MEM_ALIGNMENT           8       // pointers have 64 bits here
