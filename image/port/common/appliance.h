// The seam between a machine (one folder per architecture) and the frozen appliance that runs on it.

#include <stddef.h>
#include <stdint.h>

// Given by the machine. Leaves the machine for good: ends QEMU (-no-reboot), resets hardware.
_Noreturn void machine_halt(int code);

// Given by appliance.c: runs the frozen main.py on the heap [lo, hi) and halts. stack_low: the stack's lowest byte.
_Noreturn void appliance_run(char *lo, char *hi, char *stack_low);

// Prints "barewire: stopped: ..." and halts with code 1.
_Noreturn void appliance_stop(const char *format, ...);
