// PVH entry (Xen's "x86/HVM direct boot ABI"): 32-bit protected mode, EBX = hvm_start_info. Builds an identity map
// of 4 GiB, enters long mode (Intel SDM vol. 3A, 9.8.5) and calls machine_start. Also the exception stubs.

#define EFER            0xc0000080
#define STACK_BYTES     65536

    .section .note.pvh, "a", @note
    .balign 4                       // QEMU refuses a note that is aligned to 8
    .long   4, 4, 18                // name and value bytes; XEN_ELFNOTE_PHYS32_ENTRY
    .asciz  "Xen"
    .long   _start

    .section .text.entry, "ax"
    .code32
    .globl  _start
_start:
    cld
    movl    $stack_top, %esp
    movl    $pdpt + 3, pml4         // 3: present, writable
    movl    $pd + 3, %eax
    xorl    %ecx, %ecx
1:  movl    %eax, pdpt(, %ecx, 8)   // four directories of 512 pages
    addl    $4096, %eax
    incl    %ecx
    cmpl    $4, %ecx
    jne     1b
    movl    $0x83, %eax             // 0x80: a page of 2 MiB
    xorl    %ecx, %ecx
2:  movl    %eax, pd(, %ecx, 8)
    addl    $0x200000, %eax
    incl    %ecx
    cmpl    $2048, %ecx
    jne     2b

    movl    $pml4, %eax
    movl    %eax, %cr3
    movl    $0x620, %eax            // PAE, OSFXSR, OSXMMEXCPT: without the SSE bits the first movaps kills us
    movl    %eax, %cr4
    movl    $EFER, %ecx
    movl    $0x100, %eax            // long mode enable
    xorl    %edx, %edx
    wrmsr
    movl    $0x80000023, %eax       // PG, NE, MP, PE; EM and TS clear, caches on
    movl    %eax, %cr0
    lgdt    gdt_pointer
    ljmp    $8, $3f

    .code64
3:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    fninit
    movl    %ebx, %edi
    movl    $stack, %esi
    call    machine_start           // never returns

// One stub per exception: vector number above the error code, which is 0 where the processor pushes none.
    .globl  exception_stubs
    .balign 16
exception_stubs:
    .set    vector, 0
    .rept   32
    .balign 16
    .ifeq   (0x60227d00 >> vector) & 1 // vectors 8, 10 to 14, 17, 21, 29, 30 carry an error code (SDM 3A, table 6-1)
    pushq   $0
    .endif
    pushq   $vector
    jmp     exception_common
    .set    vector, vector + 1
    .endr
exception_common:
    movq    %rsp, %rdi
    andq    $-16, %rsp
    call    exception

    .section .rodata.gdt, "a"
    .balign 8
gdt:
    .quad   0
    .quad   0x00af9a000000ffff      // 8: 64-bit code
    .quad   0x00cf92000000ffff      // 16: data
gdt_pointer:
    .word   . - gdt - 1
    .long   gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4 * 4096
stack:  .skip STACK_BYTES
stack_top:
    .section .note.GNU-stack, "", @progbits
