// app.c on the bare LM3S6965EVB, for count.c: each turn looks whether a frame waits and gives it to lwIP. With SENSOR it also
// sends a reading in each turn. Document: LM3S6965 Microcontroller data sheet, Ethernet controller.
//
// The first word in the FIFO begins with the length, so two bytes of padding (ETH_PAD_SIZE) in front of a frame put every
// word of it where it belongs, both ways: nothing is copied but from and to the FIFO.
#include <string.h>

#include "lwip/pbuf.h"

#include "app.h"

#define REGISTER(address)   (*(volatile uint32_t *)(address))
#define RCGC1               REGISTER(0x400fe104)
#define RCGC2               REGISTER(0x400fe108)
#define UART_DATA           REGISTER(0x4000c000)
#define UART_CONTROL        REGISTER(0x4000c030)
#define MAC_MASK            REGISTER(0x40048004)
#define MAC_RECEIVE         REGISTER(0x40048008)
#define MAC_TRANSMIT        REGISTER(0x4004800c)
#define MAC_DATA            REGISTER(0x40048010)
#define MAC_WAITING         REGISTER(0x40048034)
#define MAC_REQUEST         REGISTER(0x40048038)
enum { RECEIVER_ON = 1, TRANSMITTER_ON_PADS_SUMS_DUPLEX = 0x17, AROUND = 6 };  // length and frame check sequence

extern uint32_t stack_top[], data_lo[], data_hi[], data_load[], bss_lo[], bss_hi[];
void reset(void);
__attribute__((section(".vectors"), used)) const void *const vectors[] = {stack_top, reset};

static void put(const uint32_t *words, unsigned bytes) {
    for (; bytes > 28; bytes -= 32, words += 8) {
        MAC_DATA = words[0];
        MAC_DATA = words[1];
        MAC_DATA = words[2];
        MAC_DATA = words[3];
        MAC_DATA = words[4];
        MAC_DATA = words[5];
        MAC_DATA = words[6];
        MAC_DATA = words[7];
    }
    for (unsigned n = (bytes + 3) / 4; n; n--) {
        MAC_DATA = *words++;
    }
}

static err_t send(struct netif *netif, struct pbuf *p) {
    static uint32_t whole[384];
    *(uint16_t *)p->payload = p->tot_len - ETH_PAD_SIZE - 14;
    while (MAC_REQUEST & 1) {
    }
    for (struct pbuf *part = p; part; part = part->next) {
        if (((uintptr_t)part->payload | (part->next ? part->len : 0)) & 3) {
            pbuf_copy_partial(p, whole, p->tot_len, 0);     // a part that ends within a word
            put(whole, p->tot_len);
            MAC_REQUEST = 1;
            return ERR_OK;
        }
    }
    for (; p; p = p->next) {
        put(p->payload, p->len);
    }
    MAC_REQUEST = 1;
    return ERR_OK;
}

static void receive(void) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, PBUF_POOL_BUFSIZE, PBUF_POOL);
    uint32_t *words = p->payload, first = MAC_DATA;
    unsigned length = (uint16_t)first, left = (length + 3) / 4 - 1;
    *words++ = first;
    for (; left > 7; left -= 8, words += 8) {
        words[0] = MAC_DATA;
        words[1] = MAC_DATA;
        words[2] = MAC_DATA;
        words[3] = MAC_DATA;
        words[4] = MAC_DATA;
        words[5] = MAC_DATA;
        words[6] = MAC_DATA;
        words[7] = MAC_DATA;
    }
    for (; left; left--) {
        *words++ = MAC_DATA;
    }
    pbuf_realloc(p, length - AROUND + ETH_PAD_SIZE);
    card.input(p, &card);
}

void reset(void) {
    memcpy(data_lo, data_load, (char *)data_hi - (char *)data_lo);
    memset(bss_lo, 0, (char *)bss_hi - (char *)bss_lo);
    RCGC1 |= 1;                         // UART0
    RCGC2 |= 1 << 28 | 1 << 30;         // Ethernet's MAC and PHY
    MAC_MASK = 0;
    MAC_TRANSMIT = TRANSMITTER_ON_PADS_SUMS_DUPLEX;
    MAC_RECEIVE = RECEIVER_ON;
    UART_CONTROL = 0x301;
    app_start(send);
    for (const char *text = "lwIP is ready\n"; *text; text++) {
        UART_DATA = *text;
    }
    for (;;) {
        if (MAC_WAITING) {
            receive();
        }
#ifdef SENSOR
        app_sensor();
#endif
    }
}
