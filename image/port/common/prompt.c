// The prompt of a development image, and the appliance that is served meanwhile.
// Follows shared/runtime/pyexec.h and py/runtime.h (scheduler) of MicroPython 1.25.
//
// The appliance has registered a function turn(ms): poll the stack, then sleep until something comes, at most ms
// milliseconds. It is called wherever the prompt or a program waits, and each millisecond between the instructions of
// a program that does not.

#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "shared/runtime/pyexec.h"
#include "appliance.h"
#include "prompt.h"

#define TYPED_BYTES     1024            // a power of 2; more than mpremote sends ahead
#define FOREVER_MS      60000
#define LOOPS           2048            // branches of a program between two looks at console and clock
#define TYPING_LOOKS    100             // bytes follow each other: falling asleep between them takes longer than a few looks
#define BETWEEN_LOOKS   2000             // and QEMU gets a byte to us only while we touch no device

unsigned int prompt_countdown = LOOPS;
uint8_t prompt_disk[PROMPT_DISK_BYTES] __attribute__((aligned(4)));

static uint8_t typed[TYPED_BYTES];      // what came from the console and nobody has read
static unsigned int typed_in, typed_out;
static bool in_turn;                    // turn() is running: it is not called again from inside
static uint32_t last_turn_ms;

MP_REGISTER_ROOT_POINTER(mp_obj_t prompt_turn);

// Takes what has been typed. A program that does not read cannot be reached by Ctrl-C unless we go on when there is no room.
static void take(void) {
    while (typed_in - typed_out < TYPED_BYTES || mp_interrupt_char >= 0) {
        int c = machine_console_get();
        if (c < 0) {
            break;
        }
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else if (typed_in - typed_out < TYPED_BYTES) {
            typed[typed_in++ % TYPED_BYTES] = c;
        }
    }
}

static void turn(int ms) {
    last_turn_ms = mp_hal_ticks_ms();
    in_turn = true;
    mp_sched_lock(); // Ctrl-C is for the program, not for the stack
    mp_call_function_1_protected(MP_STATE_VM(prompt_turn), MP_OBJ_NEW_SMALL_INT(ms));
    mp_sched_unlock();
    in_turn = false;
}

static mp_obj_t scheduled(mp_obj_t unused) {
    if (!in_turn && MP_STATE_VM(prompt_turn) != MP_OBJ_NULL) {
        turn(0);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(scheduled_obj, scheduled);

void prompt_poll(void) {
    prompt_countdown = LOOPS;
    take();
    if (!in_turn && MP_STATE_VM(prompt_turn) != MP_OBJ_NULL && mp_hal_ticks_ms() != last_turn_ms) {
        last_turn_ms = mp_hal_ticks_ms();
        mp_sched_schedule(MP_OBJ_FROM_PTR(&scheduled_obj), mp_const_none); // where the interpreter can be interrupted
    }
}

void prompt_wait(int ms) {
    take();
    ms = ms < 0 ? FOREVER_MS : ms;
    if (in_turn || MP_STATE_VM(prompt_turn) == MP_OBJ_NULL) {
        machine_sleep(ms);
    } else {
        turn(ms);
    }
}

int mp_hal_stdin_rx_chr(void) {
    for (int looks = 0;; looks++) {
        take();
        if (typed_in != typed_out) {
            return typed[typed_out++ % TYPED_BYTES];
        }
        mp_handle_pending(true);
        if (looks < TYPING_LOOKS) {
            for (volatile int k = 0; k < BETWEEN_LOOKS; k++) {
            }
        } else {
            prompt_wait(-1);
        }
    }
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    take();
    return (flags & MP_STREAM_POLL_WR) | (typed_in != typed_out ? flags & MP_STREAM_POLL_RD : 0);
}

void mp_hal_delay_ms(mp_uint_t ms) {
    mp_uint_t start = mp_hal_ticks_ms(), passed;
    while ((passed = mp_hal_ticks_ms() - start) < ms) {
        prompt_wait(ms - passed);
        if (!in_turn) {
            mp_handle_pending(true);
        }
    }
}

uint64_t mp_hal_time_ns(void) { // of files: since boot
    return mp_hal_ticks_ms() * 1000000ull;
}

void prompt_open(void) {
    MP_STATE_VM(prompt_turn) = MP_OBJ_NULL;
    in_turn = false;
}

void prompt_run(void) {
    while ((pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl()) == 0) {
    }
    mp_hal_stdout_tx_str("MPY: soft reboot\r\n");
}

void prompt_serve(mp_obj_t turn) {
    MP_STATE_VM(prompt_turn) = turn;
}
