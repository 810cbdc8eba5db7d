// app.c with frames in memory, for step.c: `step COUNTS lwip < commands > answers`
//
// A command is a length (16 bits, little-endian) and a frame; or SENSOR: send a reading; or NOTHING: what a span costs in
// which nothing happens. The answer is the number of frames sent, and each with its length. As a driver with DMA does it, a
// frame lies in its pbuf when lwIP is called, a fresh pbuf takes its place, and what is sent stays referenced until later.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lwip/pbuf.h"

#include "app.h"

enum { SENSOR = 0, NOTHING = 0xFFFF, RING = 4 };
static struct pbuf *sent[RING], *next;
static u16_t head, tail;

static err_t send(struct netif *netif, struct pbuf *p) {
    struct pbuf **place = &sent[head++ % RING];
    if (*place) {
        pbuf_free(*place);
    }
    pbuf_ref(p);
    *place = p;
    return ERR_OK;
}

static void get(void *to, size_t size) {
    for (char *at = to; size; ) {
        ssize_t n = read(0, at, size);
        if (n <= 0) {
            exit(0);
        }
        at += n;
        size -= n;
    }
}

static void tell(const void *from, size_t size) {
    if (write(1, from, size) != (ssize_t)size) {
        exit(1);
    }
}

static void mark(void) {
    if (write(2, "+", 1) != 1) {
        exit(1);
    }
}

int main(void) {
    app_start(send);
    for (;;) {
        static u8_t frame[65536];
        u16_t length, number;
        get(&length, 2);
        if (length == SENSOR) {
            mark();
            app_sensor();
            mark();
        } else if (length == NOTHING) {
            mark();
            mark();
        } else {
            if (next == NULL) {
                next = pbuf_alloc(PBUF_RAW, PBUF_POOL_BUFSIZE, PBUF_POOL);
            }
            get(next->payload, length);
            mark();
            struct pbuf *p = next;
            next = pbuf_alloc(PBUF_RAW, PBUF_POOL_BUFSIZE, PBUF_POOL);
            pbuf_realloc(p, length);
            card.input(p, &card);
            mark();
        }
        number = head - tail;
        tell(&number, 2);
        for (; tail != head; tail++) {
            struct pbuf *p = sent[tail % RING];
            tell(&p->tot_len, 2);
            tell(frame, pbuf_copy_partial(p, frame, p->tot_len, 0));
        }
    }
}
