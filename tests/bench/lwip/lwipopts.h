// lwIP as lean as it can be for what an appliance does: no operating system, one interface, all checksums verified.
#define NO_SYS                      1
#define SYS_LIGHTWEIGHT_PROT        0
#define LWIP_SOCKET                 0
#define LWIP_NETCONN                0
#define LWIP_STATS                  0
#define LWIP_SINGLE_NETIF           1
#define LWIP_NETIF_LOOPBACK         0
#define LWIP_HAVE_LOOPIF            0
#define LWIP_RAW                    0
#define LWIP_DHCP                   0
#define LWIP_ACD                    0
#define IP_REASSEMBLY               0
#define IP_FRAG                     0
#define IP_OPTIONS_ALLOWED          0
#define MEM_ALIGNMENT               4
#define MEM_SIZE                    4096
#define MEMP_NUM_TCP_PCB            8
#define MEMP_NUM_TCP_SEG            16
#define PBUF_POOL_SIZE              8
#define PBUF_POOL_BUFSIZE           1536
#define TCP_MSS                     1460
#define TCP_WND                     (2 * TCP_MSS)
#define TCP_SND_BUF                 (2 * TCP_MSS)
#define TCP_SND_QUEUELEN            8
#define LWIP_CHKSUM_ALGORITHM       3
#ifndef ETH_PAD_SIZE
#define ETH_PAD_SIZE                0
#endif
