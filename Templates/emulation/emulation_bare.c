// Runs a request on a bare x86-64 machine, started by emulation_firmware.S.
//
// The request comes from the first disk and the response goes there, both by direct memory access:
// word by word, megabytes would take an emulated processor minutes.
// Compiled for general registers only: vector state exists only once it has been enabled here.
#include "emulation_protocol.h"

#define SECTOR 512ull
#define PAGE 4096ull

// Set up by the firmware: the page table of the first 2 MiB.
#define LOW_TABLE 0x7000ull

// Kernels run on a stack of 512 KiB in low memory, below which one page is unmapped.
#define STACK_GUARD 0xf000ull
#define STACK_END 0x90000ull

// The first sector of the disk.
struct disk_header {
  uint64_t magic;
  uint64_t payload_sectors;
  uint64_t memory_bytes;
  uint64_t request_sector, request_bytes;
  uint64_t response_sector, response_sectors;
};

extern uint8_t payload_end[];

static const struct disk_header *header;
static uint8_t fault_stack[16384] __attribute__((aligned(16)));

// Entered by the firmware with the disk header's address in RDI.
__asm__(
    ".section .text.start, \"ax\"\n"
    ".globl payload_start\n"
    "payload_start:\n"
    "  mov %rdi, %rbx\n"
    "  lea payload_zeros(%rip), %rdi\n"
    "  lea payload_end(%rip), %rcx\n"
    "  sub %rdi, %rcx\n"
    "  xor %eax, %eax\n"
    "  rep stosb\n"
    "  mov %rbx, %rdi\n"
    "  lea fault_stack + 16384(%rip), %rsp\n"
    "  call emulation_boot\n"
    ".text\n");

void *memcpy(void *restrict target, const void *restrict source, size_t count) {
  void *at = target;
  size_t words = count / 8, rest = count % 8;
  __asm__ volatile("rep movsq" : "+D"(at), "+S"(source), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(source), "+c"(rest) : : "memory");
  return target;
}

void *memmove(void *target, const void *source, size_t count) {
  if ((uintptr_t)target - (uintptr_t)source >= count) return memcpy(target, source, count);
  uint8_t *to = (uint8_t *)target + count - 1;
  const uint8_t *from = (const uint8_t *)source + count - 1;
  __asm__ volatile("std\n rep movsb\n cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
  return target;
}

void *memset(void *target, int value, size_t count) {
  void *at = target;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(value) : "memory");
  return target;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left, *b = right;
  for (size_t i = 0; i < count; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

static void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static void print(const char *text) {
  while (*text) out8(0xe9, (uint8_t)*text++);
}

static void print_number(uint64_t value) {
  char text[24], *at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  print(at);
}

void emulation_progress(uint64_t call) {
  print("\n@call ");
  print_number(call);
  print("\n");
}

// Bochs ends when this word is written, letter by letter, to its shutdown port.
static _Noreturn void shut_down(void) {
  for (const char *letter = "Shutdown"; *letter; letter++) out8(0x8900, (uint8_t)*letter);
  for (;;) __asm__ volatile("cli; hlt");
}

static void out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

#define IDE_FUNCTION 0x80000900u  // PCI bus 0, device 1, function 1: the PIIX3's IDE controller
#define BUS_MASTER 0xc000

static void enable_bus_master(void) {
  out32(0xcf8, IDE_FUNCTION | 0x20);  // base address
  out32(0xcfc, BUS_MASTER | 1);
  out32(0xcf8, IDE_FUNCTION | 0x04);  // command: I/O space, bus master
  out32(0xcfc, 5);
}

// Transfers sectors from or to the first disk; 0 or the drive's status on failure. The memory is
// aligned to a page and lies below 4 GiB.
static uint8_t transfer(uint64_t sector, uint64_t count, const uint8_t *memory, int writing) {
  static struct {
    uint32_t address, bytes_and_last;
  } regions[3] __attribute__((aligned(64)));
  while (count > 0) {
    uint64_t block = count < 256 ? count : 256;
    // A region ends at a multiple of 64 KiB; 0 stands for 64 KiB.
    uint64_t address = (uint64_t)memory, left = block * SECTOR;
    for (int i = 0; left > 0; i++) {
      uint64_t room = 0x10000 - (address & 0xffff), bytes = left < room ? left : room;
      left -= bytes;
      regions[i].address = (uint32_t)address;
      regions[i].bytes_and_last = (uint32_t)(bytes & 0xffff) | (left ? 0 : 0x80000000u);
      address += bytes;
    }
    out32(BUS_MASTER + 4, (uint32_t)(uint64_t)regions);
    out8(BUS_MASTER, writing ? 0 : 8);
    out8(BUS_MASTER + 2, 6);  // clears error and interrupt
    out8(0x1f6, (uint8_t)(0xe0 | ((sector >> 24) & 15)));
    out8(0x1f2, (uint8_t)block);  // 0 means 256
    out8(0x1f3, (uint8_t)sector);
    out8(0x1f4, (uint8_t)(sector >> 8));
    out8(0x1f5, (uint8_t)(sector >> 16));
    out8(0x1f7, writing ? 0xca : 0xc8);
    out8(BUS_MASTER, writing ? 1 : 9);
    uint8_t status;
    do {
      status = in8(0x1f7);
      if (!(status & 0x80) && status & 0x21) return status;
    } while (in8(BUS_MASTER + 2) & 1 || status & 0x80);
    out8(BUS_MASTER, 0);
    if (in8(BUS_MASTER + 2) & 2) return 0xff;
    memory += block * SECTOR;
    sector += block;
    count -= block;
  }
  return 0;
}

static uint64_t sectors(uint64_t bytes) { return (bytes + SECTOR - 1) / SECTOR; }

static _Noreturn void answer(uint8_t *response, uint64_t bytes) {
  if (sectors(bytes) > header->response_sectors)
    print("the response does not fit the disk\n");
  else if (transfer(header->response_sector, sectors(bytes), response, 1) != 0)
    print("the response cannot be written to the disk\n");
  shut_down();
}

static _Noreturn void fail(uint64_t status, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  static uint8_t response[SECTOR] __attribute__((aligned(4096)));
  struct emulation_failure failure = {status, {a, b, c, d}};
  emulation_write_failure(&failure, response);
  answer(response, EMULATION_FAILURE_BYTES);
}

// Exceptions: each vector's stub pushes its number, and a zero where the processor pushes no error
// code. All are fatal. They run on a stack of their own, for a kernel may have lost its own.
__attribute__((used)) static _Noreturn void exception(const uint64_t *frame) {
  uint64_t address;
  __asm__ volatile("mov %%cr2, %0" : "=r"(address));
  fail(EMULATION_FAULT, frame[0], frame[0] == 14 ? address : frame[2], frame[2],
       emulation_current_call);
}

__asm__(
    ".text\n"
    ".balign 16\n"
    "exception_stubs:\n"
    ".set vector, 0\n"
    ".rept 32\n"
    "  .balign 16\n"
    "  .if !((0x60227d00 >> vector) & 1)\n"
    "    push $0\n"
    "  .endif\n"
    "  push $vector\n"
    "  jmp exception_entry\n"
    "  .set vector, vector + 1\n"
    ".endr\n"
    "exception_entry:\n"
    "  mov %rsp, %rdi\n"
    "  cld\n"
    "  and $-16, %rsp\n"
    "  call exception\n");

extern uint8_t exception_stubs[];

struct table_pointer {
  uint16_t limit;
  uint64_t base;
} __attribute__((packed));

static void catch_exceptions(void) {
  static uint64_t idt[64] __attribute__((aligned(16)));
  static uint64_t gdt[5] __attribute__((aligned(16)));
  static uint32_t task[26];
  uint64_t stack = (uint64_t)(fault_stack + sizeof fault_stack), segment = (uint64_t)task;
  task[9] = (uint32_t)stack;  // IST1
  task[10] = (uint32_t)(stack >> 32);
  task[25] = sizeof task << 16;
  gdt[1] = 0x00af9b000000ffff;  // 0x08: 64-bit code, 0x10: data, 0x18: task state
  gdt[2] = 0x00cf93000000ffff;
  gdt[3] = (sizeof task - 1) | (segment & 0xffffff) << 16 | 0x89ull << 40 |
           (segment >> 24 & 0xff) << 56;
  gdt[4] = segment >> 32;
  for (uint64_t vector = 0; vector < 32; vector++) {
    uint64_t target = (uint64_t)exception_stubs + 16 * vector;
    idt[2 * vector] = (target & 0xffff) | 0x08ull << 16 | 1ull << 32 | 0x8eull << 40 |
                      (target >> 16 & 0xffff) << 48;
    idt[2 * vector + 1] = target >> 32;
  }
  struct table_pointer gdtr = {sizeof gdt - 1, (uint64_t)gdt};
  struct table_pointer idtr = {sizeof idt - 1, (uint64_t)idt};
  __asm__ volatile(
      "lgdt %0\n"
      "lidt %1\n"
      "push $0x08\n"
      "lea 1f(%%rip), %%rax\n"
      "push %%rax\n"
      "lretq\n"
      "1: mov $0x10, %%eax\n"
      "mov %%eax, %%ds\n"
      "mov %%eax, %%es\n"
      "mov %%eax, %%ss\n"
      "mov $0x18, %%eax\n"
      "ltr %%ax\n"
      :
      : "m"(gdtr), "m"(idtr)
      : "rax", "memory");
}

// Enables vector state up to ZMM, or reports what the processor lacks.
static void enable_vectors(void) {
  const uint64_t osxsave_avx_fma = 1 << 27 | 1 << 28 | 1 << 12;
  const uint64_t avx512 = 1ull << 16 | 1ull << 17 | 1ull << 30 | 1ull << 31;  // F, DQ, BW, VL
  const uint64_t states = 0xe7;  // x87, SSE, AVX, opmask, ZMM high halves, ZMM16-31
  uint32_t a, b, c, d, leaf1, leaf7 = 0, possible = 0, highest;
  __asm__ volatile("cpuid" : "=a"(highest), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(leaf1), "=d"(d) : "a"(1), "c"(0));
  if (highest >= 13 && leaf1 & 1 << 26) {
    __asm__ volatile("cpuid" : "=a"(a), "=b"(leaf7), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    __asm__ volatile("cpuid" : "=a"(possible), "=b"(b), "=c"(c), "=d"(d) : "a"(13), "c"(0));
    uint64_t cr0, cr4;
    __asm__ volatile("mov %%cr0, %0\n mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    cr0 = (cr0 & ~0xcull) | 0x22;  // no EM, no TS; MP, NE
    cr4 |= 1ull << 18 | 3ull << 9;  // OSXSAVE, OSFXSR, OSXMMEXCPT
    __asm__ volatile("mov %0, %%cr0\n mov %1, %%cr4\n fninit" : : "r"(cr0), "r"(cr4));
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(leaf1), "=d"(d) : "a"(1), "c"(0));
  }
  if ((leaf1 & osxsave_avx_fma) != osxsave_avx_fma || (leaf7 & avx512) != avx512 ||
      (possible & states) != states)
    fail(EMULATION_CPU_TOO_OLD, leaf7, leaf1, possible, 0);
  const uint32_t control = 0x1f80;
  __asm__ volatile("xsetbv" : : "a"((uint32_t)states), "d"(0), "c"(0));
  __asm__ volatile("ldmxcsr %0" : : "m"(control));
}

// Takes a page of the first 2 MiB off the map that the firmware made.
static void unmap_low_page(uint64_t address) {
  volatile uint64_t *low_table = (volatile uint64_t *)LOW_TABLE;
  low_table[address / PAGE] = 0;
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static uint8_t *page_end(uint8_t *address) {
  return (uint8_t *)(((uint64_t)address + PAGE - 1) & ~(PAGE - 1));
}

static uint8_t *request, *response, *arena;
static uint64_t response_bytes;

__attribute__((used)) static _Noreturn void serve(void) {
  emulation_run(request, arena, response);
  answer(response, response_bytes);
}

__attribute__((used)) _Noreturn void emulation_boot(const struct disk_header *disk) {
  header = disk;
  enable_bus_master();
  catch_exceptions();
  enable_vectors();
  unmap_low_page(STACK_GUARD);

  request = page_end(payload_end);
  uint64_t request_end = (uint64_t)request + sectors(header->request_bytes) * SECTOR;
  if (request_end > header->memory_bytes)
    fail(EMULATION_OUT_OF_MEMORY, request_end, header->memory_bytes, 0, 0);
  uint64_t status =
      transfer(header->request_sector, sectors(header->request_bytes), request, 0);
  if (status) fail(EMULATION_DEVICE_ERROR, status, header->request_sector, 0, 0);

  struct emulation_needs needs;
  struct emulation_failure failure = emulation_check(request, header->request_bytes, &needs);
  if (failure.status != EMULATION_OK)
    fail(failure.status, failure.detail[0], failure.detail[1], 0, 0);
  arena = page_end((uint8_t *)request_end);
  response = page_end(arena + needs.arena_bytes);
  response_bytes = needs.response_bytes;
  uint64_t end = (uint64_t)response + sectors(response_bytes) * SECTOR;
  if (end > header->memory_bytes)
    fail(EMULATION_OUT_OF_MEMORY, end, header->memory_bytes, 0, 0);
  __asm__ volatile("mov %0, %%rsp\n call serve" : : "r"(STACK_END) : "memory");
  __builtin_unreachable();
}
