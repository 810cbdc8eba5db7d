/* Opens HTTP connections one after the other, several at a time, and treats a part of them badly.
 *
 *   load ADDRESS PORT CONNECTIONS AT_A_TIME SEED BODY ROUGH WAITS FROM COUNT
 *
 * One in ROUGH (0: none) is ended at a point that the seed chooses: RST behind the handshake, RST in the middle of the
 * request, RST in the middle of the answer, closed with bytes unread, or left without a word. The others get /, /big.bin
 * or /api/reading, check status and length (BODY is that of /) and end the connection; with WAITS 1 a fourth of them has
 * the server end it first, which leaves TIME-WAIT there.
 * Prints "good rough failed seconds" and a line for each kind of failure.
 *
 * The connections come from COUNT addresses of this host, FROM the first: with one, the kernel would look for a free port
 * among all those that wait in TIME-WAIT, longer and longer.
 *
 * To leave without a word: TCP_REPAIR (Linux, tcp_repair_on()) lets a socket be closed with nothing sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256, REPAIR = 19, PATIENCE = 30 };
enum manner { PLAIN, SERVER_ENDS, BIG, ROUTE, RST_AT_ONCE, RST_IN_REQUEST, RST_IN_ANSWER, UNREAD, VANISH };

struct connection {
    int fd, status, connected;
    long got, want, length;        /* want: head and body; length: body */
    double since;
    enum manner manner;
    char head[2048];
    int head_bytes;
};

static struct connection all[MOST];
static struct pollfd polls[MOST];
static long begun, sources, good, rough, failed, body;
static long reasons[7];
static const char *reason_names[] = { "connect", "reset", "closed early", "wrong status", "wrong length", "silent", "send" };
static uint64_t state;
static int waits;
static struct sockaddr_in to, from;
static uint32_t first;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static unsigned dice(unsigned n) {      /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)(state * 0x2545F4914F6CDD1DULL >> 33) % n;
}

static void start(struct connection *c, int every) {
    int on = 1;
    c->manner = every && !dice(every) ? (enum manner)(RST_AT_ONCE + dice(5)) : (enum manner)dice(4);
    if ((c->manner == BIG && dice(8)) || (c->manner == SERVER_ENDS && !waits)) {
        c->manner = PLAIN;              /* one in 32 is long */
    }
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->manner == UNREAD || c->manner == RST_IN_ANSWER) {
        int bytes = 4096;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    c->got = c->head_bytes = c->connected = 0;
    c->want = -1;
    c->since = now();
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    from.sin_addr.s_addr = htonl(first + begun % sources);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) || (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        perror("load: connect");
        exit(2);
    }
}

static void end(struct connection *c) {
    close(c->fd);
    c->fd = -1;
}

static void reset(struct connection *c) {
    struct linger hard = { 1, 0 };
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    end(c);
    rough++;
}

static void vanish(struct connection *c) {
    int on = 1;
    if (setsockopt(c->fd, IPPROTO_TCP, REPAIR, &on, sizeof on)) {
        perror("load: TCP_REPAIR");
        exit(2);
    }
    end(c);
    rough++;
}

static void fail(struct connection *c, int why) {
    reasons[why]++;
    failed++;
    end(c);
}

static void greet(struct connection *c) {
    static const char *paths[] = { "/", "/", "/big.bin", "/api/reading", "/", "/", "/big.bin", "/big.bin", "/big.bin" };
    char text[256];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", paths[c->manner],
                     c->manner == SERVER_ENDS ? "Connection: close\r\n" : "");
    c->connected = 1;
    if (c->manner == RST_AT_ONCE) {
        reset(c);
        return;
    }
    if (c->manner == RST_IN_REQUEST) {
        n = 1 + (int)dice(n - 1);
    }
    if (send(c->fd, text, n, MSG_NOSIGNAL) != n) {
        fail(c, 6);
    } else if (c->manner == RST_IN_REQUEST) {
        reset(c);
    } else if (c->manner == VANISH && dice(2)) {
        vanish(c);
    }
}

static void parse(struct connection *c) {
    char *end_of_head = strstr(c->head, "\r\n\r\n"), *length = strcasestr(c->head, "content-length:");
    if (end_of_head && length) {
        c->status = atoi(c->head + 9);
        c->length = atol(length + 15);
        c->want = end_of_head + 4 - c->head + c->length;
    }
}

static void done(struct connection *c) {
    if (c->status != 200) {
        fail(c, 3);
    } else {
        good++;
        end(c);
    }
}

static void take(struct connection *c) {
    static char bytes[65536];
    long n = recv(c->fd, bytes, c->manner == UNREAD ? 1 : sizeof bytes, 0);
    if (n < 0) {
        if (errno != EAGAIN) {
            fail(c, c->connected ? 1 : 0);
        }
        return;
    }
    if (c->want < 0 && n > 0) {
        int k = n < (long)sizeof c->head - 1 - c->head_bytes ? (int)n : (int)sizeof c->head - 1 - c->head_bytes;
        memcpy(c->head + c->head_bytes, bytes, k);
        c->head_bytes += k;
        c->head[c->head_bytes] = 0;
        parse(c);
    }
    c->got += n;
    if (c->manner == UNREAD) {
        end(c);         /* the kernel sends RST: bytes wait that nobody read */
        rough++;
    } else if (c->manner == RST_IN_ANSWER && c->got > 0) {
        reset(c);
    } else if (c->manner == VANISH) {
        vanish(c);
    } else if (n == 0) {
        if (c->want >= 0 && c->got == c->want) {
            done(c);
        } else {
            fail(c, c->want >= 0 && c->got > c->want ? 4 : 2);
        }
    } else if (c->want >= 0 && c->got >= c->want && c->manner != SERVER_ENDS) {
        if (c->got > c->want || (c->manner == PLAIN && c->length != body)) {
            fail(c, 4);
        } else {
            done(c);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 11) {
        fprintf(stderr, "usage: load ADDRESS PORT CONNECTIONS AT_A_TIME SEED BODY ROUGH WAITS FROM COUNT\n");
        return 2;
    }
    to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    inet_aton(argv[1], &to.sin_addr);
    long count = atol(argv[3]), open = 0;
    int many = atoi(argv[4]), every = atoi(argv[7]);
    state = 0x9E3779B97F4A7C15ULL * (strtoull(argv[5], NULL, 10) + 1);
    body = atol(argv[6]);
    waits = atoi(argv[8]);
    from.sin_family = AF_INET;
    first = ntohl(inet_addr(argv[9]));
    sources = atol(argv[10]);
    double t0 = now();
    for (int i = 0; i < many; i++) {
        all[i].fd = -1;
    }
    do {
        open = 0;
        for (int i = 0; i < many; i++) {
            struct connection *c = &all[i];
            if (c->fd < 0 && begun < count) {
                start(c, every);
                begun++;
            }
            polls[i] = (struct pollfd){ c->fd, c->connected ? POLLIN : POLLOUT, 0 };
            open += c->fd >= 0;
        }
        poll(polls, many, 200);
        for (int i = 0; i < many; i++) {
            struct connection *c = &all[i];
            int error = 0;
            socklen_t size = sizeof error;
            if (c->fd < 0) {
                continue;
            }
            if (polls[i].revents && !c->connected) {
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
                if (error) {
                    fail(c, 0);
                } else {
                    greet(c);
                }
            } else if (polls[i].revents) {
                take(c);
            } else if (now() - c->since > PATIENCE) {
                fail(c, 5);
            }
        }
    } while (open);
    printf("%ld %ld %ld %.1f\n", good, rough, failed, now() - t0);
    for (int i = 0; i < 7; i++) {
        if (reasons[i]) {
            printf("%s: %ld\n", reason_names[i], reasons[i]);
        }
    }
    return 0;
}
