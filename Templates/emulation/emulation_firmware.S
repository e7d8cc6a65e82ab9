// The firmware of the bare x86-64 machine: 64 KiB that end at the top of the 32-bit address space;
// the code is in the last 4 KiB, within reach of the reset vector's jump.
// No BIOS, boot sector or video ROM is involved: the processor starts here, and this code loads
// the payload from the first disk with programmed I/O, maps memory and enters long mode.
//
// Memory:  0x1000 page tables   0x8000 disk header (first sector)   0x100000 payload

#define PML4 0x1000
#define PDPT 0x2000
#define DIRECTORIES 0x3000            // four of them, for 4 GiB
#define LOW_TABLE 0x7000              // 4 KiB pages for the first 2 MiB
#define HEADER 0x8000
#define PAYLOAD 0x100000

#define HEADER_PAYLOAD_SECTORS 8      // offsets in the disk header
#define HEADER_MEMORY_BYTES 16

  .section .firmware, "ax"
  .code16
base:
start:
  cli
  cld
  lgdtl %cs:(gdt_pointer - base + 0xf000)
  mov $0x11, %eax                     // protected mode, extension type 387
  mov %eax, %cr0
  ljmpl $0x08, $protected

  .code32
protected:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $0x8000, %esp

  mov $HEADER, %edi
  xor %ebx, %ebx
  call read_sector
  mov $PAYLOAD, %edi
  mov (HEADER + HEADER_PAYLOAD_SECTORS), %ebp
1:
  inc %ebx
  call read_sector
  dec %ebp
  jnz 1b

  // Page tables: the machine's memory, writable, in 2 MiB pages; the first 2 MiB in 4 KiB pages
  // without the first page, so that null pointers trap; and the firmware.
  mov $PML4, %edi
  mov $(0x8000 - PML4) / 4, %ecx
  xor %eax, %eax
  rep stosl
  movl $(PDPT | 3), PML4
  movl $(DIRECTORIES | 3), PDPT
  movl $(DIRECTORIES + 0x1003), PDPT + 8
  movl $(DIRECTORIES + 0x2003), PDPT + 16
  movl $(DIRECTORIES + 0x3003), PDPT + 24
  movl $(LOW_TABLE | 3), DIRECTORIES
  mov $(LOW_TABLE + 8), %edi
  mov $0x1003, %eax
1:
  mov %eax, (%edi)
  add $8, %edi
  add $0x1000, %eax
  cmp $0x200000, %eax
  jb 1b
  mov $(DIRECTORIES + 8), %edi
  mov $0x200083, %eax
1:
  mov %eax, (%edi)
  add $8, %edi
  add $0x200000, %eax
  cmp (HEADER + HEADER_MEMORY_BYTES), %eax
  jb 1b
  movl $0xffe00081, DIRECTORIES + 0x3ff8

  mov %cr4, %eax
  or $0x20, %eax                      // PAE
  mov %eax, %cr4
  mov $PML4, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx               // EFER
  rdmsr
  or $0x100, %eax                     // LME
  wrmsr
  mov %cr0, %eax
  or $0x80010000, %eax                // PG, WP
  mov %eax, %cr0
  ljmpl $0x18, $long_mode

// Reads sector %ebx to %edi, which it advances by 512.
read_sector:
  mov $0x1f2, %edx
  mov $1, %al
  out %al, %dx
  inc %edx
  mov %ebx, %eax
  out %al, %dx
  shr $8, %eax
  inc %edx
  out %al, %dx
  shr $8, %eax
  inc %edx
  out %al, %dx
  shr $8, %eax
  or $0xe0, %al                       // LBA, first drive
  inc %edx
  out %al, %dx
  mov $0x20, %al                      // READ SECTORS
  inc %edx
  out %al, %dx
1:
  in %dx, %al
  test $0x80, %al                     // busy
  jnz 1b
  test $0x21, %al                     // error, device fault
  jnz stuck
  test $0x08, %al                     // data request
  jz 1b
  mov $0x1f0, %edx
  mov $256, %ecx
  rep insw
  ret

// No payload, so no response: a word for the log, and Bochs' shutdown port.
stuck:
  mov $0xe9, %edx
  mov $disk_error, %esi
  mov $(shutdown - disk_error), %ecx
  rep outsb
  mov $0x8900, %edx
  mov $8, %ecx
  rep outsb
1:
  hlt
  jmp 1b

disk_error:
  .ascii "the firmware cannot read the disk\n"
shutdown:
  .ascii "Shutdown"

  .code64
long_mode:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $HEADER, %edi
  mov $PAYLOAD, %eax
  jmp *%rax

  .balign 8
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff            // 0x08: 32-bit code
  .quad 0x00cf93000000ffff            // 0x10: data
  .quad 0x00af9b000000ffff            // 0x18: 64-bit code
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

  .section .reset, "ax"
  .code16
  jmp start
  .balign 16
