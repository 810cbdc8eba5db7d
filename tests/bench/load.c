/* The load of the benchmark, written so that it is not what limits: many datagrams per system call, no allocation.
 *
 *   load echo ADDRESS PORT BYTES WINDOW SECONDS    keep WINDOW datagrams on their way to an echo service (RFC 862)
 *   load sink PORT SECONDS                         count what arrives at a UDP port, from the first one on
 *
 * Prints "per_second lost bad": echo counts as lost what did not come back within 50 ms, sink what is missing from the
 * sequence numbers of the sensor's datagrams (README, "The datagram"); bad has the wrong bytes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CROWD = 32, BATCH = 128, LONGEST = 1472, SEQUENCE_AT = 12 };

static uint8_t sent[BATCH][LONGEST], got[BATCH][2048];
static struct iovec out_at[BATCH], in_at[BATCH];
static struct mmsghdr out[BATCH], in[BATCH];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int udp(long wait_us) {
    int s = socket(AF_INET, SOCK_DGRAM, 0), bytes = 4 << 20;
    struct timeval wait = { wait_us / 1000000, wait_us % 1000000 };
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait)) {
        die("socket");
    }
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes)) {
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    for (int i = 0; i < BATCH; i++) {
        in_at[i] = (struct iovec){ got[i], sizeof got[i] };
        in[i].msg_hdr = (struct msghdr){ .msg_iov = &in_at[i], .msg_iovlen = 1 };
        out_at[i].iov_base = sent[i];
        out[i].msg_hdr = (struct msghdr){ .msg_iov = &out_at[i], .msg_iovlen = 1 };
    }
    return s;
}

/* What has come; waits for the first one, looking every `nap` microseconds: to wake a sleeper for each datagram would
 * be the sender's work, and the sender is what is measured. With nap 0 it sleeps in the kernel, for the least delay. */
static int receive(int s, int nap, int wait_us) {
    int n, waited = 0;
    do {
        n = recvmmsg(s, in, BATCH, nap ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
    } while (n < 0 && nap && (waited += nap) < wait_us && !usleep(nap));
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        die("recvmmsg");
    }
    return n;
}

static struct sockaddr_in place(const char *address, int port) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (!inet_aton(address, &to.sin_addr)) {
        die(address);
    }
    return to;
}

static void echo(const char *address, int port, int bytes, int window, double seconds) {
    struct sockaddr_in to = place(address, port);
    int s = udp(50000), owed = window, n;
    long done = 0, lost = 0, bad = 0;
    uint32_t next = 0;
    if (bytes < 4 || bytes > LONGEST || window < 1 || connect(s, (struct sockaddr *)&to, sizeof to)) {
        die("echo");
    }
    for (int i = 0; i < BATCH; i++) {
        memset(sent[i], 'x', bytes);
        out_at[i].iov_len = bytes;
    }
    double start = now(), end = start + seconds;
    while (now() < end) {
        while (owed) {
            int k = owed < BATCH ? owed : BATCH;
            for (int i = 0; i < k; i++, next++) {
                memcpy(sent[i], &next, 4);
            }
            n = sendmmsg(s, out, k, 0);
            if (n < 0) {
                die("sendmmsg");
            }
            next -= k - n;
            owed -= n;
        }
        n = receive(s, window < CROWD ? 0 : 20, 50000);
        if (n < 0) {
            lost += window;
            owed = window;
            continue;
        }
        for (int i = 0; i < n; i++) {
            bad += in[i].msg_len != (unsigned)bytes || memcmp(got[i] + 4, sent[0] + 4, bytes - 4);
        }
        done += n;
        owed = n;
    }
    printf("%.0f %ld %ld\n", done / (now() - start), lost, bad);
}

static void sink(int port, double seconds) {
    struct sockaddr_in at = place("0.0.0.0", port);
    int s = udp(1000000), n;
    long count = 0, bad = 0;
    uint32_t first = 0, last = 0;
    double start = 0, end = 0;
    if (bind(s, (struct sockaddr *)&at, sizeof at)) {
        die("bind");
    }
    do {
        n = receive(s, 300, 1000000);
        for (int i = 0; i < n; i++) {
            bad += in[i].msg_len != 28 || memcmp(got[i], "BWS1", 4);
            memcpy(&last, got[i] + SEQUENCE_AT, 4);
            if (!start) {
                first = ntohl(last);
                start = now();
                end = start + seconds;
            }
        }
        count += n > 0 ? n : 0;
    } while (n > 0 && now() < end);
    printf("%.0f %ld %ld\n", count / (now() - start), count ? (long)(ntohl(last) - first + 1 - count) : 0, bad);
}

int main(int argc, char **argv) {
    prctl(PR_SET_TIMERSLACK, 1);        /* naps as short as they say */
    if (argc == 7 && !strcmp(argv[1], "echo")) {
        echo(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atof(argv[6]));
    } else if (argc == 4 && !strcmp(argv[1], "sink")) {
        sink(atoi(argv[2]), atof(argv[3]));
    } else {
        fprintf(stderr, "usage: load echo ADDRESS PORT BYTES WINDOW SECONDS | load sink PORT SECONDS\n");
        return 2;
    }
    return 0;
}
