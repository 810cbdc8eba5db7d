// app.c with frames in memory, for step.c: `step COUNTS lwip < commands > answers`
//
// A command is a length (16 bits, little-endian) and a frame; or SENSOR: send a reading; or NOTHING: what a span costs in
// which nothing happens. The answer is the number of frames sent, and each with its length. As a driver with DMA does it, a
// frame lies in its pbuf when lwIP is called, a fresh pbuf takes its place, and what is sent stays referenced until later.
#include <stdlib.h>
#include <unistd.h>

#include "app.h"
#include "interface.h"

enum { SENSOR = 0, NOTHING = 0xFFFF };
static struct pbuf *next;

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
    app_start(wire_send);
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
        number = wire_waiting();
        tell(&number, 2);
        for (; number; number--) {
            length = wire_take(frame, sizeof frame - 1);
            tell(&length, 2);
            tell(frame, length);
        }
    }
}
