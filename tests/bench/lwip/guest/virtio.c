// The module `card` for MicroPython with lwIP in an image: virtio-net over virtio-mmio (Virtual I/O Device Version 1.2; QEMU's
// microvm), as plainly as MicroPython's ports drive their cards: a frame is copied into a pbuf, and out of one.
#include "lwip/timeouts.h"
#include "py/mphal.h"
#include "py/runtime.h"

#include "interface.h"
#include "machine.h"

#define SLOTS           0xfeb00000u     // QEMU hw/i386/microvm.c: 8 slots of 512 bytes, interrupts from 5 on
#define REGISTER(at)    (*(volatile uint32_t *)(uintptr_t)(base + (at)))
enum { MAGIC = 0x000, DEVICE = 0x008, DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024, QUEUE_SEL = 0x030, QUEUE_NUM = 0x038,
       QUEUE_READY = 0x044, NOTIFY = 0x050, INTERRUPT_STATUS = 0x060, INTERRUPT_ACK = 0x064, STATUS = 0x070, QUEUE_DESC = 0x080,
       QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0 };    // 4.2.2
enum { RX, TX, SIZE = 128, HEADER = 12, WRITE = 2, NO_INTERRUPT = 1, NO_NOTIFY = 1 };

static struct queue {
    struct { uint64_t address; uint32_t length; uint16_t flags, next; } descriptors[SIZE];
    struct { uint16_t flags, index, ring[SIZE]; } available;
    struct { uint16_t flags, index; struct { uint32_t id, length; } ring[SIZE]; } used __attribute__((aligned(4)));
    uint8_t buffers[SIZE][2048];
    uint16_t seen;
} queues[2] __attribute__((aligned(16)));
static uint32_t base;
static struct netif netif;

int puts(const char *text) {        // extmod/modlwip.c says so what it does not know
    mp_printf(&mp_plat_print, "%s\n", text);
    return 0;
}

static uint16_t used(struct queue *q) {
    return *(volatile uint16_t *)&q->used.index;
}

static void give(int which, uint16_t id) {
    struct queue *q = &queues[which];
    q->available.ring[q->available.index % SIZE] = id;
    __asm__ volatile ("" : : : "memory");
    *(volatile uint16_t *)&q->available.index = q->available.index + 1;
    __asm__ volatile ("mfence" : : : "memory");
    if (!(*(volatile uint16_t *)&q->used.flags & NO_NOTIFY)) {
        REGISTER(NOTIFY) = which;
    }
}

static err_t send(struct netif *nothing, struct pbuf *p) {
    struct queue *q = &queues[TX];
    uint16_t id = q->available.index % SIZE;
    while ((uint16_t)(q->available.index - used(q)) >= SIZE) {  // in the order in which they were given: QEMU does so
    }
    q->descriptors[id].length = HEADER + pbuf_copy_partial(p, q->buffers[id] + HEADER, p->tot_len, 0);
    give(TX, id);
    return ERR_OK;
}

static void queue_open(int which) {
    struct queue *q = &queues[which];
    uint64_t parts[] = {(uintptr_t)q->descriptors, (uintptr_t)&q->available, (uintptr_t)&q->used};
    static const uint16_t places[] = {QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE};
    REGISTER(QUEUE_SEL) = which;
    REGISTER(QUEUE_NUM) = SIZE;
    for (int i = 0; i < 3; i++) {
        REGISTER(places[i]) = parts[i];
        REGISTER(places[i] + 4) = parts[i] >> 32;
    }
    for (int i = 0; i < SIZE; i++) {
        q->descriptors[i].address = (uintptr_t)q->buffers[i];
        q->descriptors[i].length = sizeof q->buffers[i];
        q->descriptors[i].flags = which == RX ? WRITE : 0;
    }
    q->available.flags = NO_INTERRUPT;
    REGISTER(QUEUE_READY) = 1;
}

static mp_obj_t card_open(void) {
    int slot = 0;
    for (base = SLOTS; slot < 8 && (REGISTER(MAGIC) != 0x74726976 || REGISTER(DEVICE) != 1); slot++) {
        base += 512;
    }
    if (slot == 8) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("no card"));
    }
    REGISTER(STATUS) = 0;
    REGISTER(STATUS) = 1 | 2;                       // acknowledge, driver (2.1)
    REGISTER(DRIVER_FEATURES_SEL) = 0;
    REGISTER(DRIVER_FEATURES) = 0;
    REGISTER(DRIVER_FEATURES_SEL) = 1;
    REGISTER(DRIVER_FEATURES) = 1;                  // VERSION_1
    REGISTER(STATUS) = 1 | 2 | 8;                   // features are settled
    queue_open(RX);
    queue_open(TX);
    REGISTER(STATUS) = 1 | 2 | 8 | 4;
    for (int i = 0; i < SIZE; i++) {
        give(RX, i);
    }
    interrupts_route(5 + slot, base + INTERRUPT_STATUS, base + INTERRUPT_ACK);
    interface_open(&netif, send);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_open_obj, card_open);

// poll() -> -1, or a frame was there and is given to lwIP: where its IP protocol stands. Sockets of UDP call nobody back
// (extmod/modlwip.c), so the program has to know when to look. Without a frame lwIP's timers get their turn.
static mp_obj_t card_poll(void) {
    struct queue *q = &queues[RX];
    if (used(q) == q->seen) {
        sys_check_timeouts();
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    uint32_t id = q->used.ring[q->seen % SIZE].id, length = q->used.ring[q->seen % SIZE].length - HEADER;
    q->seen++;
    struct pbuf *p = frame_copied(q->buffers[id] + HEADER, length);
    int protocol = q->buffers[id][HEADER + 23];
    give(RX, id);
    if (p != NULL && netif.input(p, &netif) != ERR_OK) {
        pbuf_free(p);
    }
    return MP_OBJ_NEW_SMALL_INT(protocol);
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_poll_obj, card_poll);

// idle(): sleeps until a frame comes, for 100 ms at the most.
static mp_obj_t card_idle(void) {
    struct queue *q = &queues[RX];
    q->available.flags = 0;
    clock_refine();
    interrupts_sleep(100000000, &q->used.index, q->seen);
    q->available.flags = NO_INTERRUPT;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(card_idle_obj, card_idle);

MODULE_CARD(FUNCTION(open), FUNCTION(poll), FUNCTION(idle));
MP_REGISTER_MODULE(MP_QSTR_card, card_module);
