/*
 * A GPU on one core, for testing kernels: every thread of a block is a fiber, and __syncthreads, shuffles, matrix
 * products and copies are meeting points between which the threads run in random order. It finds what a GPU may
 * hide: accesses beyond the ends of a tensor or of shared memory (they hit a guard page), shared memory that is
 * read before it is written (it holds NaN at first), missing barriers (another order gives other values), and
 * threads that do not meet. emulated-device.h defines the names of src-main/engine/kernels/device.ts. Needs Linux on
 * x86-64.
 */
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define DEVICE inline
#define KERNEL extern "C"
#define __restrict__

namespace emulator {

struct size3 {
  u32 x, y, z;
};

enum { WARP = 32, MOST_THREADS = 1024, STACK_BYTES = 1 << 17, SLOT_BYTES = 32, PAGE = 4096, COPIES = 1024 };
enum state { RUNNING, AT_WARP, AT_BLOCK, DONE };

struct copy {
  void *to;
  const void *from;
  int group;
};

struct thread {
  void *stack_pointer;
  u8 *stack;
  state at;
  const char *operation; /* of the meeting point that it waits at */
  int exchanges;         /* how many meeting points of the warp it has passed */
  int group;             /* the group of copies that is open */
  int copies;
  copy pending[COPIES];
};

static thread threads[MOST_THREADS];
static u8 slots[MOST_THREADS / WARP][2][WARP][SLOT_BYTES];
static int thread_count, current;
static void *scheduler_stack;
static size3 block_index, grid_size;
static u8 *shared;
static void (*body)(void **);
static void **body_arguments;
static u64 random_state;

static u32 draw(u32 end) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (u32)((random_state >> 33) % end);
}

[[noreturn]] static void fail(const char *what, const char *detail = "") {
  fprintf(stderr, "thread %d of block (%u, %u, %u): %s%s\n", current, block_index.x, block_index.y, block_index.z, what,
          detail);
  _exit(1);
}

/* ---- fibers ---- */

extern "C" void emulator_switch(void **save, void *to);
asm(R"(
.text
emulator_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
)");

static void pause_at(state at, const char *operation) {
  threads[current].at = at;
  threads[current].operation = operation;
  emulator_switch(&threads[current].stack_pointer, scheduler_stack);
}

static void start_fiber() {
  body(body_arguments);
  pause_at(DONE, "its end");
  abort();
}

static void prepare(thread &t) {
  if (!t.stack) {
    t.stack = (u8 *)mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(t.stack, PAGE, PROT_NONE);
  }
  void **top = (void **)(t.stack + STACK_BYTES - 64);
  *--top = nullptr; /* keeps the stack aligned as after a call */
  *--top = (void *)start_fiber;
  t.stack_pointer = top - 6;
  t.at = RUNNING;
  t.exchanges = t.group = t.copies = 0;
}

/* Lets the threads of a warp go on if all of them wait at the same operation. */
static void release_warp(int warp) {
  const int first = warp * WARP, end = first + WARP < thread_count ? first + WARP : thread_count;
  for (int i = first; i < end; i++) {
    if (threads[i].at == RUNNING) return;
    if (threads[i].at != AT_WARP || threads[i].operation != threads[first].operation) {
      int waiting = i;
      for (int j = first; j < end; j++)
        if (threads[j].at == AT_WARP) waiting = j;
      if (threads[waiting].at != AT_WARP) return;
      current = i;
      fail("does not take part in ", threads[waiting].operation);
    }
  }
  for (int i = first; i < end; i++) threads[i].at = RUNNING;
}

static bool release_block() {
  bool any = false;
  for (int i = 0; i < thread_count; i++) {
    if (threads[i].at == RUNNING || threads[i].at == AT_WARP) return true;
    any = any || threads[i].at == AT_BLOCK;
  }
  for (int i = 0; i < thread_count; i++)
    if (threads[i].at == AT_BLOCK) threads[i].at = RUNNING;
  return any;
}

static void run_block() {
  for (int i = 0; i < thread_count; i++) prepare(threads[i]);
  static int runnable[MOST_THREADS];
  for (;;) {
    int count = 0;
    for (int i = 0; i < thread_count; i++)
      if (threads[i].at == RUNNING) runnable[count++] = i;
    for (; count > 0; count--) {
      const int pick = draw(count);
      current = runnable[pick];
      runnable[pick] = runnable[count - 1];
      emulator_switch(&scheduler_stack, threads[current].stack_pointer);
    }
    for (int warp = 0; warp * WARP < thread_count; warp++) release_warp(warp);
    if (!release_block()) return;
  }
}

/* ---- meeting points ---- */

/* Gives `bytes` to the other threads of the warp; returns what each of them has given. */
static u8 (*exchange(const char *operation, const void *from, size_t bytes))[SLOT_BYTES] {
  u8(*all)[SLOT_BYTES] = slots[current / WARP][threads[current].exchanges++ % 2];
  memcpy(all[current % WARP], from, bytes);
  pause_at(AT_WARP, operation);
  return all;
}

struct thread_position {
  struct {
    operator int() const { return current; }
  } x;
};

/* ---- memory ---- */

struct region {
  std::string name;
  u8 *pages;
  size_t bytes_of_pages;
  u8 *start;
  size_t bytes;
};
static region regions[64];
static int region_count;

/* Memory whose end (or start) is the end (or start) of a page, beside pages that nobody may touch. */
static u8 *allocate(const std::string &name, size_t bytes, bool at_end) {
  const size_t inner = (bytes + PAGE - 1) / PAGE * PAGE + (bytes == 0) * PAGE;
  u8 *pages = (u8 *)mmap(nullptr, inner + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + PAGE, inner, PROT_READ | PROT_WRITE);
  memset(pages + PAGE, 0xff, inner);
  const size_t aligned = (bytes + 15) / 16 * 16;
  u8 *start = pages + PAGE + (at_end ? inner - aligned : 0);
  regions[region_count++] = {name, pages, inner + 2 * PAGE, start, bytes};
  return start;
}

static void free_all() {
  for (int i = 0; i < region_count; i++) munmap(regions[i].pages, regions[i].bytes_of_pages);
  region_count = 0;
}

static void on_fault(int, siginfo_t *info, void *) {
  const u8 *address = (const u8 *)info->si_addr;
  for (int i = 0; i < region_count; i++) {
    const region &r = regions[i];
    if (address < r.pages || address >= r.pages + r.bytes_of_pages) continue;
    char text[160];
    snprintf(text, sizeof text, "byte %ld of %s, which has %zu", (long)(address - r.start), r.name.c_str(), r.bytes);
    fail("accesses ", text);
  }
  fail("accesses memory that is nobody's");
}

/* ---- jobs ---- */

template <class... P, size_t... I>
void call_with(void (*kernel)(P...), void **arguments, std::index_sequence<I...>) {
  kernel(*(P *)arguments[I]...);
}
template <class... P> void call(void (*kernel)(P...), void **arguments) {
  call_with(kernel, arguments, std::index_sequence_for<P...>());
}

static std::map<std::string, void (*)(void **)> kernels;
struct registration {
  registration(const char *name, void (*run)(void **)) { kernels[name] = run; }
};

static void read_all(void *to, size_t bytes) {
  if (bytes && fread(to, 1, bytes, stdin) != bytes) fail("a job is incomplete");
}

/*
 * A job: "kernel grid-x grid-y grid-z threads shared-bytes seed parameters", then a line "kind bytes" for each
 * parameter (i: tensor that is read, o: tensor that is written, s: number), then the contents of i and s. The answer
 * is the contents of o.
 */
static bool run_job() {
  char name[128];
  u32 shared_bytes, seed;
  int parameters;
  if (scanf("%127s %u %u %u %d %u %u %d", name, &grid_size.x, &grid_size.y, &grid_size.z, &thread_count, &shared_bytes,
            &seed, &parameters) != 8)
    return false;
  static char kinds[32];
  static size_t sizes[32];
  for (int i = 0; i < parameters; i++)
    if (scanf(" %c %zu", &kinds[i], &sizes[i]) != 2) fail("a parameter is incomplete");
  getchar();
  static u8 *pointers[32];
  static void *arguments[32];
  for (int i = 0; i < parameters; i++) {
    pointers[i] = allocate("parameter " + std::to_string(i), sizes[i], seed % 2);
    if (kinds[i] != 'o') read_all(pointers[i], sizes[i]);
    arguments[i] = kinds[i] == 's' ? (void *)pointers[i] : &pointers[i];
    const region &r = regions[region_count - 1];
    if (kinds[i] == 'i') mprotect(r.pages + PAGE, r.bytes_of_pages - 2 * PAGE, PROT_READ);
  }
  shared = allocate("shared memory", shared_bytes, seed % 2);
  random_state = seed;
  if (!kernels.count(name)) fail("there is no kernel ", name);
  body = kernels[name];
  body_arguments = arguments;
  for (block_index.z = 0; block_index.z < grid_size.z; block_index.z++)
    for (block_index.y = 0; block_index.y < grid_size.y; block_index.y++)
      for (block_index.x = 0; block_index.x < grid_size.x; block_index.x++) {
        memset(shared, 0xff, shared_bytes);
        run_block();
      }
  for (int i = 0; i < parameters; i++)
    if (kinds[i] == 'o') fwrite(pointers[i], 1, sizes[i], stdout);
  fflush(stdout);
  free_all();
  return true;
}

} // namespace emulator

int main() {
  static u8 signal_stack[1 << 16];
  stack_t alternate = {};
  alternate.ss_sp = signal_stack;
  alternate.ss_size = sizeof signal_stack;
  sigaltstack(&alternate, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = emulator::on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  while (emulator::run_job()) {
  }
}

#define REGISTER(entry)                                                                                                \
  static emulator::registration registration_##entry(#entry, [](void **a) { emulator::call(&entry, a); });

#include "emulated-device.h"
