// A network card in memory for MicroPython with lwIP: what is put into it arrives at input(), what lwIP sends waits in take().
#include "py/mphal.h"
#include "py/runtime.h"

#include "interface.h"

static struct netif card;
static struct pbuf *arrived;

static mp_obj_t card_open(void) {
    interface_open(&card, wire_send);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_open_obj, card_open);

static mp_obj_t card_put(mp_obj_t frame) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(frame, &data, MP_BUFFER_READ);
    arrived = frame_copied(data.buf, data.len);
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
    if (!wire_waiting()) {
        return mp_const_none;
    }
    return mp_obj_new_bytes(frame, wire_take(frame, sizeof frame));
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_take_obj, card_take);

MODULE_CARD(FUNCTION(open), FUNCTION(put), FUNCTION(input), FUNCTION(take));
MP_REGISTER_MODULE(MP_QSTR_card, card_module);
