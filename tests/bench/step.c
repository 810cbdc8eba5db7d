// Counts the instructions that a program executes between two of its marks, one by one (ptrace).
//
//     step COUNTS PROGRAM [ARGUMENT ...]
//
// A mark is a write to standard error: the first one begins a span, the next one ends it. Each span is a line "span" in the
// file COUNTS, and a line "address count" for each instruction that was executed in it, by address. The counts are the
// processor's own, and the same each time: addresses are not random.
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES = 1 << 16 };      // a power of two, several times the addresses of a span
static struct place { uint64_t address, count; } places[PLACES];
static FILE *out;

static struct place *place(uint64_t address) {
    size_t i = address * 0x9E3779B97F4A7C15 >> 48;
    for (size_t tried = 0; tried < PLACES; tried++, i = (i + 1) % PLACES) {
        if (places[i].address == address || places[i].address == 0) {
            return &places[i];
        }
    }
    fprintf(stderr, "step: too many addresses\n");
    exit(1);
}

static int by_address(const void *a, const void *b) {
    uint64_t x = ((const struct place *)a)->address, y = ((const struct place *)b)->address;
    return x < y ? -1 : x > y;
}

// The child's registers at its next stop, which `request` asks for. Ends with the child.
static struct user_regs_struct next(pid_t child, int request) {
    int status;
    struct user_regs_struct registers;
    if (ptrace(request, child, 0, 0) < 0 || waitpid(child, &status, 0) < 0) {
        fprintf(stderr, "step: %s\n", strerror(errno));
        exit(1);
    }
    if (WIFEXITED(status)) {
        exit(WEXITSTATUS(status));
    }
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
        fprintf(stderr, "step: the program was stopped by a signal\n");
        kill(child, SIGKILL);
        exit(1);
    }
    ptrace(PTRACE_GETREGS, child, 0, &registers);
    return registers;
}

// Run up to the return from the next write to standard error.
static void to_mark(pid_t child) {
    for (;;) {
        struct user_regs_struct entered = next(child, PTRACE_SYSCALL);
        next(child, PTRACE_SYSCALL);
        if (entered.orig_rax == SYS_write && entered.rdi == 2) {
            return;
        }
    }
}

// Step up to the next write to standard error. `syscall` leaves the address behind it in RCX (Intel SDM, SYSCALL).
static void span(pid_t child) {
    memset(places, 0, sizeof places);
    uint64_t at = next(child, PTRACE_SINGLESTEP).rip;
    for (;;) {
        struct place *here = place(at);
        here->address = at;
        here->count++;
        struct user_regs_struct now = next(child, PTRACE_SINGLESTEP);
        if (now.rip == at + 2 && now.rcx == now.rip && now.rdi == 2 && (ptrace(PTRACE_PEEKTEXT, child, at, 0) & 0xFFFF) == 0x050F) {
            break;
        }
        at = now.rip;
    }
    qsort(places, PLACES, sizeof *places, by_address);
    fprintf(out, "span\n");
    for (size_t i = 0; i < PLACES; i++) {
        if (places[i].address) {
            fprintf(out, "%lx %lu\n", (unsigned long)places[i].address, (unsigned long)places[i].count);
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 3 || (out = fopen(argv[1], "w")) == NULL) {
        fprintf(stderr, "usage: step COUNTS PROGRAM [ARGUMENT ...]\n");
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        personality(ADDR_NO_RANDOMIZE);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) {
        fprintf(stderr, "step: cannot run %s\n", argv[2]);
        return 1;
    }
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
    for (;;) {
        to_mark(child);
        span(child);
    }
}
