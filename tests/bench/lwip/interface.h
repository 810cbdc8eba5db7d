// What the programs on lwIP share: their interface, a frame as a pbuf, and frames that were sent and wait in memory. Behind
// MicroPython's py/runtime.h also what the modules `card` of card/ and guest/ have in common.
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "netif/ethernet.h"

static err_t interface_set_up(struct netif *netif) {
    static const u8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
    memcpy(netif->hwaddr, mac, 6);
    netif->hwaddr_len = 6;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = (netif_linkoutput_fn)netif->state;
    NETIF_SET_CHECKSUM_CTRL(netif, NETIF_CHECKSUM_ENABLE_ALL);
    return ERR_OK;
}

// 10.0.2.15/24, the example appliance's.
static inline void interface_open(struct netif *netif, netif_linkoutput_fn send) {
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    netif_add(netif, &address, &mask, &gateway, (void *)send, interface_set_up, ethernet_input);
    netif_set_default(netif);
    netif_set_up(netif);
}

// A copy of a frame that came; NULL when there is no memory.
static inline struct pbuf *frame_copied(const void *frame, u16_t length) {
    struct pbuf *p = pbuf_alloc(PBUF_RAW, length, PBUF_POOL);
    if (p != NULL) {
        pbuf_take(p, frame, length);
    }
    return p;
}

// ---- a wire in memory: as with DMA, what is sent stays referenced until later ----------------------------------------------
enum { WIRE = 4 };
static struct pbuf *wire[WIRE];
static u16_t wire_head, wire_tail;

static inline err_t wire_send(struct netif *netif, struct pbuf *p) {
    struct pbuf **place = &wire[wire_head++ % WIRE];
    if (*place) {
        pbuf_free(*place);
    }
    pbuf_ref(p);
    *place = p;
    return ERR_OK;
}

static inline u16_t wire_waiting(void) {
    return wire_head - wire_tail;
}

// The next frame's length; the frame is copied to `to`.
static inline u16_t wire_take(void *to, u16_t room) {
    return pbuf_copy_partial(wire[wire_tail++ % WIRE], to, room, 0);
}

// ---- MicroPython -----------------------------------------------------------------------------------------------------------
#ifdef MICROPY_INCLUDED_PY_RUNTIME_H
int mp_mod_network_prefer_dns_use_ip_version = 4;       // extmod/modnetwork.c, which comes with another interface

u32_t sys_now(void) {
    return mp_hal_ticks_ms();
}

// A line of a module's table, and the module `card` with some of them.
#define FUNCTION(name)  { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&card_##name##_obj) }
#define MODULE_CARD(...) \
    static const mp_rom_map_elem_t names[] = { \
        { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_card) }, \
        __VA_ARGS__, \
    }; \
    static MP_DEFINE_CONST_DICT(globals, names); \
    const mp_obj_module_t card_module = { \
        .base = { &mp_type_module }, \
        .globals = (mp_obj_dict_t *)&globals, \
    }
#endif
