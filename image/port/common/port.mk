# From MicroPython's sources to BUILD/libport.a: everything of an image but its frozen Python, which image/build.py
# adds. A machine's Makefile sets TOP (MicroPython), BUILD, MACHINE_C, MACHINE_S and MACHINE_CFLAGS and includes this;
# GC_HELPER_C and GC_HELPER_O name a way of its own to find what the processor's registers hold. DEV=1 adds compiler,
# prompt and files.
include $(TOP)/py/mkenv.mk
MICROPY_ROM_TEXT_COMPRESSION = 1
include $(TOP)/py/py.mk

COMMON = ../common
ifeq ($(DEV),1)
MACHINE_CFLAGS += -DBAREWIRE_DEV=1 -DFFCONF_H=\"lib/oofatfs/ffconf.h\"     # modvfs.c names FAT, too
DEV_C = prompt.c shared/libc/printf.c shared/readline/readline.c $(addprefix shared/runtime/, interrupt_char.c pyexec.c sys_stdio_mphal.c) \
	$(addprefix extmod/, modbinascii.c modhashlib.c modos.c modselect.c modvfs.c vfs.c vfs_blockdev.c vfs_lfs.c vfs_reader.c) \
	lib/littlefs/lfs2.c lib/littlefs/lfs2_util.c
$(BUILD)/lib/littlefs/%.o: CFLAGS += -DLFS2_NO_MALLOC -DLFS2_NO_DEBUG -DLFS2_NO_WARN -DLFS2_NO_ERROR -DLFS2_NO_ASSERT -Wno-unused
endif
QSTR_GLOBAL_DEPENDENCIES += $(COMMON)/mpconfig_common.h
CFLAGS += -std=gnu11 -Oz -Wall -Werror -DNDEBUG -ffunction-sections -fdata-sections -fno-stack-protector \
	-fno-strict-aliasing -fno-pic -fno-asynchronous-unwind-tables $(MACHINE_CFLAGS) \
	-I. -I$(COMMON) -I$(BUILD) -I$(TOP)
# What the interpreter calls all the time is to be fast, all else is to be small; vm.c gets its own -O3.
$(addprefix $(BUILD)/py/, gc.o map.o runtime.o obj.o objfun.o): CFLAGS += -Os
# A memset that GCC turns into a call of memset does not return.
CFLAGS_BUILTIN = -fno-builtin -fno-tree-loop-distribute-patterns
# 1.25 declares a variable there that only the compiler uses.
$(BUILD)/py/builtinimport.o: CFLAGS += -Wno-unused-variable

GC_HELPER_C ?= shared/runtime/gchelper_generic.c
SRC_C = appliance.c $(MACHINE_C) \
	moductypes.c extmod/modtime.c \
	shared/libc/string0.c shared/runtime/stdout_helpers.c $(GC_HELPER_C) $(DEV_C)
SRC_QSTR += $(MACHINE_C) appliance.c moductypes.c extmod/modtime.c $(DEV_C)
OBJ = $(PY_CORE_O) $(addprefix $(BUILD)/, $(SRC_C:.c=.o) $(MACHINE_S:.S=.o) $(GC_HELPER_O))
vpath %.c $(COMMON)

all: $(BUILD)/libport.a
$(BUILD)/libport.a: $(OBJ)
	$(ECHO) "AR $@"
	$(Q)$(RM) -f $@
	$(Q)$(AR) rcs $@ $(OBJ)

include $(TOP)/py/mkrules.mk
