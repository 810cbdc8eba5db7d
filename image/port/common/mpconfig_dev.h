// What a development image has beside what mpconfig_common.h says: compiler, prompt, files. The language is the
// appliance's own: what works at its prompt works in an image. Follows py/mpconfig.h of MicroPython 1.25.

#define MICROPY_ENABLE_COMPILER         (1)
#define MICROPY_HELPER_REPL             (1)
#define MICROPY_REPL_AUTO_INDENT        (1)
#define MICROPY_REPL_EMACS_KEYS         (1)
#define MICROPY_KBD_EXCEPTION           (1)
#define MICROPY_ENABLE_SCHEDULER        (1)
#define MICROPY_PERSISTENT_CODE_LOAD    (1)
#define MICROPY_ERROR_REPORTING         (MICROPY_ERROR_REPORTING_NORMAL)
#define MICROPY_PY_BUILTINS_HELP        (1)
#define MICROPY_PY_BUILTINS_HELP_MODULES (1)
#define MICROPY_PY_BUILTINS_INPUT       (1)
#define MICROPY_PY_MICROPYTHON_MEM_INFO (1)
#define MICROPY_PY___FILE__             (1)

// mpremote wants these: run, cp, mount
#define MICROPY_VFS                     (1)
#define MICROPY_VFS_LFS2                (1)
#define MICROPY_ENABLE_FINALISER        (1)
#define MICROPY_READER_VFS              (1)
#define MICROPY_PY_IO                   (1)
#define MICROPY_PY_IO_IOBASE            (1)
#define MICROPY_PY_OS                   (1)
#define MICROPY_PY_VFS                  (1)
#define MICROPY_PY_OS_STATVFS           (1)
#define MICROPY_PY_SELECT               (1)
#define MICROPY_PY_ARRAY_SLICE_ASSIGN   (1) // and the disk in barewire/dev.py
#define MICROPY_PY_STRUCT               (1)
#define MICROPY_PY_HASHLIB              (1)
#define MICROPY_PY_HASHLIB_SHA256       (1)
#define MICROPY_PY_BINASCII             (1)
#define MICROPY_PY_SYS_STDFILES         (1)
#define MICROPY_PY_SYS_STDIO_BUFFER     (1)
#define MICROPY_ALLOC_PATH_MAX          (128)
#define MICROPY_STREAMS_POSIX_API       (1) // littlefs checks its own return values through it

// While a program runs or waits, the appliance gets its turns: prompt.c
void prompt_poll(void);
void prompt_wait(int ms);
extern unsigned int prompt_countdown;
#define MICROPY_VM_HOOK_LOOP            if (--prompt_countdown == 0) { prompt_poll(); }
#define MICROPY_INTERNAL_EVENT_HOOK     prompt_poll()
#define MICROPY_INTERNAL_WFE(ms)        prompt_wait(ms)
