// A QEMU plugin that counts the guest's instructions between accesses to a card's registers.
//
//     qemu-system-arm ... -plugin libcount.so,out=FILE,at=ADDRESS[,at=ADDRESS ...][,code=BEGIN,end=END]
//
// For each access to one of the addresses FILE gets a line: the register's position among the arguments, r or w, and the
// instructions executed since the machine started. With `code`, a line "c ADDRESS COUNT" stands in front of each access to the
// first register for each instruction of that range that was executed since the one before. Interface: QEMU's include/qemu/qemu-plugin.h, version 1.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { MOST = 8 };
static uint64_t executed, watched[MOST], begin, end, *counts;
static int count;
static FILE *out;

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *nothing) {
    for (int i = 0; i < count; i++) {
        if (address == watched[i]) {
            for (uint64_t k = 0; i == 0 && k < end - begin; k++) {
                if (counts[k]) {
                    fprintf(out, "c %" PRIx64 " %" PRIu64 "\n", begin + k, counts[k]);
                    counts[k] = 0;
                }
            }
            fprintf(out, "%d%c %" PRIu64 "\n", i, qemu_plugin_mem_is_store(info) ? 'w' : 'r', executed);
        }
    }
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, &executed, 1);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (address >= begin && address < end) {
            qemu_plugin_register_vcpu_insn_exec_inline(instruction, QEMU_PLUGIN_INLINE_ADD_U64, &counts[address - begin], 1);
        }
        qemu_plugin_register_vcpu_mem_cb(instruction, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        } else if (strncmp(argv[i], "at=", 3) == 0 && count < MOST) {
            watched[count++] = strtoull(argv[i] + 3, NULL, 0);
        } else if (strncmp(argv[i], "code=", 5) == 0) {
            begin = strtoull(argv[i] + 5, NULL, 0);
        } else if (strncmp(argv[i], "end=", 4) == 0) {
            end = strtoull(argv[i] + 4, NULL, 0);
        } else {
            fprintf(stderr, "count: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (out == NULL) {
        fprintf(stderr, "count: no file: out=\n");
        return -1;
    }
    counts = calloc(end - begin + 1, sizeof *counts);
    setvbuf(out, NULL, _IOLBF, 0);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    return 0;
}
