/* The ledger: what the provider asked for, by name. */
#define _GNU_SOURCE
#include "standin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A row. The name is "kind name". */
typedef struct {
  char *kind;
  char *name;
  uint64_t count;
  double amount;
} row;

enum { SLOTS = 1 << 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* An open-addressing hash table. Names are never removed. */
static row table[SLOTS];

void standin_lock(void) { pthread_mutex_lock(&lock); }
void standin_unlock(void) { pthread_mutex_unlock(&lock); }

/* FNV-1a over both parts of the name. */
static uint64_t hash(const char *kind, const char *name) {
  const char *parts[] = {kind, name};
  uint64_t h = 1469598103934665603u;
  for (int i = 0; i < 2; i++)
    for (const char *p = parts[i]; *p; p++) h = (h ^ (uint8_t)*p) * 1099511628211u;
  return h;
}

/* Returns the row of a name, and adds it if it is new. The lock is held. */
static row *find_row(const char *kind, const char *name) {
  for (uint64_t i = hash(kind, name);; i++) {
    row *r = &table[i % SLOTS];
    if (!r->name) {
      r->kind = strdup(kind);
      r->name = strdup(name);
      return r;
    }
    if (strcmp(r->kind, kind) == 0 && strcmp(r->name, name) == 0) return r;
  }
}

void standin_count(const char *kind, const char *name, double amount) {
  standin_lock();
  row *r = find_row(kind, name);
  r->count++;
  r->amount += amount;
  standin_unlock();
}

void standin_reset(void) {
  standin_lock();
  for (size_t i = 0; i < SLOTS; i++) {
    table[i].count = 0;
    table[i].amount = 0;
  }
  standin_reset_streams();
  standin_unlock();
  standin_reset_peak();
}

typedef char *(*demangler)(const char *name, char *buffer, size_t *length, int *status);

/* The function of libstdc++ that makes a C++ name readable; NULL without that library. */
static demangler find_demangler(void) {
  void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
  return library ? (demangler)dlsym(library, "__cxa_demangle") : NULL;
}

static FILE *output;

static void write_row(const char *name, uint64_t count, double amount) {
  fprintf(output, "%llu\t%.17g\t%s\n", (unsigned long long)count, amount, name);
}

static void write_table(demangler demangle) {
  for (size_t i = 0; i < SLOTS; i++) {
    const row *r = &table[i];
    if (r->count == 0) continue;
    char *readable = demangle && strncmp(r->name, "_Z", 2) == 0 ? demangle(r->name, NULL, NULL, NULL) : NULL;
    fprintf(output, "%llu\t%.17g\t%s %s\n", (unsigned long long)r->count, r->amount, r->kind,
            readable ? readable : r->name);
    free(readable);
  }
}

int standin_write(const char *path) {
  demangler demangle = find_demangler();
  standin_lock();
  output = fopen(path, "w");
  if (!output) {
    standin_unlock();
    return -1;
  }
  write_table(demangle);
  standin_list_streams(write_row);
  int failed = fclose(output);
  standin_unlock();
  return failed ? -1 : 0;
}

/* Writes PID.tsv into the folder that CUDA_STANDIN_LOG names, if it names one. */
static void write_at_exit(void) {
  const char *folder = getenv("CUDA_STANDIN_LOG");
  char path[4096];
  if (!folder) return;
  snprintf(path, sizeof path, "%s/%d.tsv", folder, (int)getpid());
  standin_write(path);
}

__attribute__((constructor)) static void start(void) {
  const char *memory = getenv("CUDA_STANDIN_MEMORY");
  if (memory) standin_set_total_bytes(strtoull(memory, NULL, 10));
  atexit(write_at_exit);
}
