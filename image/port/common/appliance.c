// Runs the frozen main.py and tells on the console, in one line, why it ended. Shared by all machines.
// Follows py/frozenmod.h, py/gc.h and shared/runtime/gchelper.h of MicroPython 1.25.

#include <stdarg.h>

#include "py/cstack.h"
#include "py/emitglue.h"
#include "py/frozenmod.h"
#include "py/gc.h"
#include "py/lexer.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/gchelper.h"
#include "appliance.h"
#if BAREWIRE_DEV
#include "prompt.h"
#endif

void appliance_stop(const char *format, ...) {
    va_list args;
    va_start(args, format);
    mp_print_str(&mp_plat_print, "barewire: stopped: ");
    mp_vprintf(&mp_plat_print, format, args);
    mp_print_str(&mp_plat_print, "\n");
    va_end(args);
    machine_halt(1);
}

static void run_main(void) {
    int type;
    void *found;
    mp_find_frozen_module("main.py", &type, &found);
    if (type != MP_FROZEN_MPY) {
        appliance_stop("the image holds no main.py");
    }
    const mp_frozen_module_t *frozen = found;
    mp_module_context_t *context = m_new_obj(mp_module_context_t);
    context->module.globals = mp_globals_get();
    context->constants = frozen->constants;
    mp_call_function_0(mp_make_function_from_proto_fun(frozen->proto_fun, context, NULL));
}

// OSError with a text and MemoryError are how the firmware says what the machine lacks: one line is all there is to know.
// Anything else is a mistake in a program, and its author wants the traceback first.
__attribute__((unused)) static _Noreturn void report(mp_obj_t exception, bool locked) {
    const mp_obj_type_t *type = mp_obj_get_type(exception);
    mp_obj_t said = mp_obj_exception_get_value(exception);
    if (type == &mp_type_SystemExit) { // sys.exit(text), sys.exit(code): as in CPython
        if (mp_obj_is_str(said)) {
            mp_printf(&mp_plat_print, "%s\n", mp_obj_str_get_str(said));
            machine_halt(1);
        }
        machine_halt(mp_obj_is_small_int(said) ? MP_OBJ_SMALL_INT_VALUE(said) : 0);
    }
    if (type == &mp_type_MemoryError && !locked) {
        appliance_stop("out of memory: give the machine more");
    }
    if (type == &mp_type_OSError && mp_obj_is_str(said)) {
        appliance_stop("%s", mp_obj_str_get_str(said));
    }
    mp_obj_print_exception(&mp_plat_print, exception);
    appliance_stop("uncaught %q%s", type->name, locked ? " while the heap was locked" : "");
}

#if BAREWIRE_DEV
// Ends at each Ctrl-D of the prompt, and begins anew. An appliance that cannot start says why, and leaves the prompt.
void appliance_run(char *lo, char *hi, char *stack_low) {
    char here;
    mp_cstack_init_with_top(&here, &here - stack_low);
    for (;;) {
        gc_init(lo, hi);
        mp_init();
        prompt_open();
        nlr_buf_t nlr;
        if (nlr_push(&nlr) == 0) {
            run_main();
            nlr_pop();
        } else {
            MP_STATE_THREAD(gc_lock_depth) = 0;
            mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(nlr.ret_val));
        }
        prompt_run();
        gc_sweep_all();
        mp_deinit();
    }
}
#else
void appliance_run(char *lo, char *hi, char *stack_low) {
    char here;
    mp_cstack_init_with_top(&here, &here - stack_low);
    gc_init(lo, hi);
    mp_init();
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        run_main();
        nlr_pop();
        machine_halt(0);
    }
    bool locked = MP_STATE_THREAD(gc_lock_depth) != 0; // the exception came out of a hot path
    MP_STATE_THREAD(gc_lock_depth) = 0;
    report(MP_OBJ_FROM_PTR(nlr.ret_val), locked);
}
#endif

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *exception) {
    appliance_stop("exception with nothing to catch it at 0x%p", exception);
}

#if !BAREWIRE_DEV
// There is no file system and no compiler: only frozen modules can be found.
mp_import_stat_t mp_import_stat(const char *path) {
    return MP_IMPORT_STAT_NO_EXIST;
}

mp_lexer_t *mp_lexer_new_from_file(qstr filename) {
    mp_raise_OSError(MP_ENOENT);
}
#endif

