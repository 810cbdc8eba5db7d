// The seam between a development image's prompt (prompt.c) and its machine.

#include "py/obj.h"

#define PROMPT_DISK_BYTES (256 * 1024)

// Given by the machine.
int machine_console_get(void);          // a byte that was typed, -1 for none
void machine_sleep(uint32_t ms);        // until the card or the console interrupts, at most ms milliseconds

// Given by prompt.c.
extern uint8_t prompt_disk[PROMPT_DISK_BYTES]; // for the file system; outlives a soft reset
void prompt_open(void);
void prompt_run(void);                  // until Ctrl-D
void prompt_serve(mp_obj_t turn);
