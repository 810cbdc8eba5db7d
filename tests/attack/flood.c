/* Puts frames on an interface, as they lie in a file, at a given rate or as fast as the kernel takes them.
 *
 *   flood INTERFACE FILE RATE SECONDS     RATE frames a second, 0 without a pause; SECONDS 0: each frame once
 *
 * The file holds frames of any size, each behind its length in two bytes, low byte first; it starts over at its end.
 * Prints "sent refused seconds": refused is what the kernel had no room for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, BYTES = 160 << 20, NAP_US = 200 };

static uint8_t file[BYTES];
static struct iovec at[BATCH];
static struct mmsghdr batch[BATCH];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int packet_socket(const char *interface) {
    int s = socket(AF_PACKET, SOCK_RAW, 0);     /* protocol 0: it receives nothing */
    struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(interface) };
    if (s < 0 || bind(s, (struct sockaddr *)&to, sizeof to)) {
        die(interface);
    }
    return s;
}

static long load(const char *path) {
    FILE *f = fopen(path, "rb");
    long size = f ? (long)fread(file, 1, BYTES, f) : 0;
    if (size < 16 || size == BYTES) {
        errno = errno ? errno : EINVAL;
        die(path);
    }
    fclose(f);
    return size;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: flood INTERFACE FILE RATE SECONDS\n");
        return 2;
    }
    int s = packet_socket(argv[1]);
    long size = load(argv[2]), next = 0, sent = 0, refused = 0, rounds = 0;
    double rate = atof(argv[3]), seconds = atof(argv[4]), start = now(), passed = 0;
    struct timespec nap = { 0, NAP_US * 1000 };
    prctl(PR_SET_TIMERSLACK, 1);
    while (seconds ? passed < seconds : !rounds) {
        long due = rate ? (long)(passed * rate) - sent - refused : BATCH;
        int n = 0;
        for (; n < BATCH && n < due && (seconds || !rounds); n++) {
            int bytes = file[next] | file[next + 1] << 8;
            at[n] = (struct iovec){ file + next + 2, bytes };
            batch[n].msg_hdr = (struct msghdr){ .msg_iov = &at[n], .msg_iovlen = 1 };
            next += 2 + bytes;
            if (next >= size) {
                next = 0;
                rounds++;
            }
        }
        for (int i = 0; i < n;) {
            int k = sendmmsg(s, batch + i, n - i, 0);
            if (k < 0 && errno != ENOBUFS && errno != EAGAIN) {
                die("sendmmsg");
            }
            sent += k > 0 ? k : 0;
            refused += k < 0;
            i += k > 0 ? k : 1;
        }
        if (!n) {
            nanosleep(&nap, NULL);
        }
        passed = now() - start;
    }
    printf("%ld %ld %.3f\n", sent, refused, passed);
    return 0;
}
