/* What a careful C programmer puts in the place of an appliance under Linux: the programs of the Linux guest.
 *
 *   peers echo            answers UDP datagrams on port 7, one by one (recvfrom, sendto), as such a program is mostly written
 *   peers batch           the same on port 8, many at a time (recvmmsg, sendmmsg)
 *   peers http FILE       answers any GET on port 8080 with the file: one thread, epoll, kept alive
 *   peers sensor ADDRESS  sends 28-byte readings to ADDRESS:9000, back to back (sendmmsg)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

static int bound(int type, int port) {
    int fd = socket(AF_INET, type, 0), on = 1;
    struct sockaddr_in at = {AF_INET, htons(port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at)) {
        perror("bind");
        exit(1);
    }
    return fd;
}

static void echo(void) {
    static char data[2048];
    struct sockaddr_in from;
    int fd = bound(SOCK_DGRAM, 7);
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (n >= 0)
            sendto(fd, data, n, 0, (struct sockaddr *)&from, size);
    }
}

static void batch(void) {
    static char data[BATCH][2048];
    struct sockaddr_in from[BATCH];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    int fd = bound(SOCK_DGRAM, 8);
    for (;;) {
        for (int k = 0; k < BATCH; k++) {
            part[k] = (struct iovec){data[k], sizeof data[k]};
            message[k].msg_hdr = (struct msghdr){&from[k], sizeof from[k], &part[k], 1};
        }
        int n = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
        for (int k = 0; k < n; k++)
            part[k].iov_len = message[k].msg_len;
        if (n > 0)
            sendmmsg(fd, message, n, 0);
    }
}

static void sensor(const char *address) {
    struct sockaddr_in to = {AF_INET, htons(9000)};
    inet_pton(AF_INET, address, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    connect(fd, (struct sockaddr *)&to, sizeof to);
    static char data[BATCH][28];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    memset(message, 0, sizeof message);
    for (unsigned sequence = 1;; ) {
        for (int k = 0; k < BATCH; k++, sequence++) {
            unsigned number = htonl(sequence);
            memcpy(data[k], "BWS1\1\1\0\34", 8);
            memcpy(data[k] + 12, &number, 4);
            part[k] = (struct iovec){data[k], sizeof data[k]};
            message[k].msg_hdr.msg_iov = &part[k];
            message[k].msg_hdr.msg_iovlen = 1;
        }
        sendmmsg(fd, message, BATCH, 0);
    }
}

static void http(const char *name) {
    static char answer[1 << 21], request[1 << 14];
    FILE *file = fopen(name, "rb");
    fseek(file, 0, SEEK_END);
    long body = ftell(file);
    rewind(file);
    int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %ld\r\n\r\n", body);
    int size = head + fread(answer + head, 1, body, file);
    int on = 1, listener = bound(SOCK_STREAM, 8080), poll = epoll_create1(0);
    listen(listener, 512);
    struct epoll_event event = {EPOLLIN, {.fd = listener}}, ready[BATCH];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, ready, BATCH, -1);
        for (int k = 0; k < n; k++) {
            int fd = ready[k].data.fd;
            if (fd == listener) {
                fd = accept(listener, NULL, NULL);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            ssize_t got = read(fd, request, sizeof request - 1);
            request[got > 0 ? got : 0] = 0;
            if (got <= 0 || write(fd, answer, size) != size || strstr(request, "Connection: close"))
                close(fd);
        }
    }
}

int main(int count, char **word) {
    if (count > 1 && !strcmp(word[1], "echo"))
        echo();
    if (count > 1 && !strcmp(word[1], "batch"))
        batch();
    if (count > 2 && !strcmp(word[1], "sensor"))
        sensor(word[2]);
    if (count > 2 && !strcmp(word[1], "http"))
        http(word[2]);
    fprintf(stderr, "usage: peers echo | batch | sensor ADDRESS | http FILE\n");
    return 2;
}
