// What a careful C programmer writes on lwIP's raw API in the place of an appliance: UDP echo on port 7 (RFC 862), 28-byte
// readings to a collector, and a page of 1 KiB over HTTP, whose answer is there before the request. The request is hardly
// looked at: what it costs is lwIP. No timers run while instructions are counted.
#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#include "app.h"
#include "interface.h"

struct netif card;
static struct udp_pcb *sensor;
static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n"
                           "ETag: \"5d41402abc4b2a76\"\r\nCache-Control: no-cache\r\n\r\n";
static char answer[sizeof head - 1 + 1024];
static u32_t sequence;

u32_t sys_now(void) {
    return 0;
}

static void on_datagram(void *nothing, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port) {
    udp_sendto(pcb, p, from, port);
    pbuf_free(p);
}

static err_t on_request(void *nothing, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    if (p == NULL) {
        return tcp_close(pcb);
    }
    const char *request = p->payload;
    tcp_recved(pcb, p->tot_len);
    if (p->len > 18 && memcmp(request, "GET / HTTP/1.1", 14) == 0 && memcmp(request + p->len - 4, "\r\n\r\n", 4) == 0) {
        tcp_write(pcb, answer, sizeof answer, 0);
        tcp_output(pcb);
    }
    pbuf_free(p);
    return ERR_OK;
}

static err_t on_connection(void *nothing, struct tcp_pcb *pcb, err_t error) {
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, on_request);
    return ERR_OK;
}

void app_sensor(void) {
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, 28, PBUF_RAM);
    u32_t number = lwip_htonl(++sequence);
    u8_t *reading = p->payload;
    memcpy(reading, "BWS1\1\1\0\34\1\2\3\4", 12);
    memcpy(reading + 12, &number, 4);
    memset(reading + 16, 0, 8);
    memcpy(reading + 24, &number, 4);
    udp_send(sensor, p);
    pbuf_free(p);
}

void app_start(netif_linkoutput_fn send) {
    ip4_addr_t collector;
    IP4_ADDR(&collector, 10, 0, 2, 2);
    lwip_init();
    interface_open(&card, send);

    struct udp_pcb *echo = udp_new();
    udp_bind(echo, IP_ANY_TYPE, 7);
    udp_recv(echo, on_datagram, NULL);
    sensor = udp_new();
    udp_connect(sensor, &collector, 9000);
    struct tcp_pcb *http = tcp_new();
    tcp_bind(http, IP_ANY_TYPE, 80);
    tcp_accept(tcp_listen(http), on_connection);
    memcpy(answer, head, sizeof head - 1);
    memset(answer + sizeof head - 1, 'x', 1024);
}
