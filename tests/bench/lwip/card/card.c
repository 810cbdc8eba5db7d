// A network card in memory for MicroPython with lwIP: what is put into it arrives at input(), what lwIP sends waits in take().
// Sent frames stay referenced until later, as with DMA (../frames.c).
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "netif/ethernet.h"
#include "py/mphal.h"
#include "py/runtime.h"

enum { RING = 4 };
int mp_mod_network_prefer_dns_use_ip_version = 4;     // extmod/modnetwork.c, which comes with another interface
static struct netif card;
static struct pbuf *sent[RING], *arrived;
static unsigned head, tail;

u32_t sys_now(void) {
    return mp_hal_ticks_ms();
}

static err_t send(struct netif *netif, struct pbuf *p) {
    struct pbuf **place = &sent[head++ % RING];
    if (*place) {
        pbuf_free(*place);
    }
    pbuf_ref(p);
    *place = p;
    return ERR_OK;
}

static err_t set_up(struct netif *netif) {
    static const u8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    memcpy(netif->hwaddr, mac, 6);
    netif->hwaddr_len = 6;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = send;
    NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL);
    return ERR_OK;
}

static mp_obj_t card_open(void) {
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    netif_add(&card, &address, &mask, &gateway, NULL, set_up, ethernet_input);
    netif_set_default(&card);
    netif_set_up(&card);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_open_obj, card_open);

static mp_obj_t card_put(mp_obj_t frame) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(frame, &data, MP_BUFFER_READ);
    arrived = pbuf_alloc(PBUF_RAW, data.len, PBUF_POOL);
    pbuf_take(arrived, data.buf, data.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(card_put_obj, card_put);

static mp_obj_t card_input(void) {
    card.input(arrived, &card);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_input_obj, card_input);

static mp_obj_t card_take(void) {
    static byte frame[2048];
    if (head == tail) {
        return mp_const_none;
    }
    return mp_obj_new_bytes(frame, pbuf_copy_partial(sent[tail++ % RING], frame, sizeof frame, 0));
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_take_obj, card_take);

static const mp_rom_map_elem_t names[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_card) },
    { MP_ROM_QSTR(MP_QSTR_open), MP_ROM_PTR(&card_open_obj) },
    { MP_ROM_QSTR(MP_QSTR_put), MP_ROM_PTR(&card_put_obj) },
    { MP_ROM_QSTR(MP_QSTR_input), MP_ROM_PTR(&card_input_obj) },
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&card_take_obj) },
};
static MP_DEFINE_CONST_DICT(globals, names);

const mp_obj_module_t card_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR_card, card_module);
